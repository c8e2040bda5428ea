"""
Content hashes of frames: calculations of frames with equal hashes are the same.

A fingerprint covers the atomic numbers, positions, cell and periodicity of a frame, in
the order of its atoms. Lengths count to 1e-6 A: enough for a frame to keep its
fingerprint through extxyz, HDF5, JSON and pymatgen, which keep 1e-12 A or better.
Where a frame has initial moments, a multiplicity, or a charge other than zero, the
fingerprint covers these too, to 1e-6: a ferromagnet, an antiferromagnet and the same
crystal without moments are three calculations.

Frames that are equal only by symmetry have different fingerprints: atoms in another
order, a translation or rotation of the whole, atoms moved by a lattice vector, another
cell of the same lattice. The fingerprints of frames that differ by 1e-6 A or less may
be equal or not.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Columns

TOLERANCE = 1e-6
"""Lengths (A), moments and charges are rounded to this."""
_SHIFT = 0.381966
"""Numbers are rounded up from this fraction, not from the half: those of few decimals,
common in files, are then far from it, and a last-bit error does not change them."""
_DIGEST_BYTES = 16


def fingerprints(dataset: Columns) -> NDArray[np.str_]:
    """
    Return the fingerprint of every frame.

    Parameters
    ----------
    dataset
        n frames.

    Returns
    -------
    numpy.ndarray
        Strings of 32 hexadecimal digits (BLAKE2b of 128 bits), shape (n,).
    """
    numbers = _raw(dataset.numbers.astype(np.uint8))
    positions = _raw(steps(dataset.positions))
    cells = _raw(steps(dataset.cell))
    pbc = _raw(dataset.pbc)
    bounds = dataset.offsets.tolist()
    states = _states(dataset)
    digests = []
    for frame in range(len(dataset)):
        start, end = bounds[frame], bounds[frame + 1]
        digest = hashlib.blake2b(
            positions[24 * start : 24 * end], digest_size=_DIGEST_BYTES
        )
        digest.update(cells[72 * frame : 72 * frame + 72])
        digest.update(pbc[3 * frame : 3 * frame + 3])
        digest.update(numbers[start:end])
        digest.update(states.get(frame, b""))
        digests.append(digest.hexdigest())
    prints = np.array(digests, dtype=f"U{2 * _DIGEST_BYTES}")
    prints.flags.writeable = False
    return prints


def _states(dataset: Columns) -> dict[int, bytes]:
    """Return the electronic states that frames have, as bytes, by frame."""
    stated: dict[int, bytes] = {}
    for name, values in (
        # A frame that states no charge has none: zero is the same calculation.
        ("charge", np.where(dataset.charge == 0, np.nan, dataset.charge)),
        ("spin", dataset.spin),
    ):
        for frame in np.flatnonzero(~np.isnan(values)).tolist():
            text = name.encode() + steps(values[frame : frame + 1]).tobytes()
            stated[frame] = stated.get(frame, b"") + text
    for frame in np.flatnonzero(dataset.has_magmoms).tolist():
        rows = slice(dataset.offsets[frame], dataset.offsets[frame + 1])
        text = b"magmoms" + steps(dataset.magmoms[rows]).tobytes()
        stated[frame] = stated.get(frame, b"") + text
    return stated


def steps(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return numbers as whole multiples of `TOLERANCE`; -0.0 and 0.0 are equal."""
    scaled = values * (1 / TOLERANCE)
    scaled += _SHIFT
    return np.floor(scaled, out=scaled).astype("<i8")


def _raw(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array, in its order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def first_of_each(
    prints: NDArray[np.str_], labelled: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return one frame of each fingerprint, ascending: a labelled one, if there is."""
    order = np.argsort(~labelled, kind="stable")
    _, first = np.unique(prints[order], return_index=True)
    return np.sort(order[first])
