"""
Content hashes of frames: two frames with one fingerprint are one calculation.

A fingerprint covers the atomic numbers, positions, cell and periodicity of a frame, in
the order of its atoms. Lengths count to 1e-6 A: enough for a frame to keep its
fingerprint through extxyz, HDF5, JSON and pymatgen, which keep 1e-12 A or better.
Where a frame has initial moments, a multiplicity, or a charge other than zero, it
covers these too, to 1e-6: a ferromagnet, an antiferromagnet and the same crystal
without moments are three calculations.

It does not identify frames that are equal only by symmetry: atoms in another order, a
translation or rotation of the whole, atoms moved by a lattice vector, another cell of
the same lattice. Two frames that differ by 1e-6 A somewhere may or may not differ.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Columns

TOLERANCE = 1e-6
_SHIFT = 0.381966
"""Steps are cut here, not at the half: coordinates of few decimals, common in files,
are then far from the cuts, and a last-bit error does not change the fingerprint."""
_DIGEST_BYTES = 16


def fingerprints(dataset: Columns) -> NDArray[np.str_]:
    """
    Hash every frame.

    Parameters
    ----------
    dataset
        n frames.

    Returns
    -------
    numpy.ndarray
        n strings of 32 hexadecimal digits: BLAKE2b of 128 bits.
    """
    numbers = _raw(dataset.numbers.astype(np.uint8))
    positions = _raw(steps(dataset.positions))
    cells = _raw(steps(dataset.cell))
    pbc = _raw(dataset.pbc)
    bounds = dataset.offsets.tolist()
    states = _states(dataset)
    made = []
    for frame in range(len(dataset)):
        start, end = bounds[frame], bounds[frame + 1]
        state = hashlib.blake2b(
            positions[24 * start : 24 * end], digest_size=_DIGEST_BYTES
        )
        state.update(cells[72 * frame : 72 * frame + 72])
        state.update(pbc[3 * frame : 3 * frame + 3])
        state.update(numbers[start:end])
        state.update(states.get(frame, b""))
        made.append(state.hexdigest())
    prints = np.array(made, dtype=f"U{2 * _DIGEST_BYTES}")
    prints.flags.writeable = False
    return prints


def _states(dataset: Columns) -> dict[int, bytes]:
    """Return, for the frames of which anything is said, what tells their states."""
    said: dict[int, bytes] = {}
    for name, values in (
        # A charge of zero is what a frame has of which nothing is said.
        ("charge", np.where(dataset.charge == 0, np.nan, dataset.charge)),
        ("spin", dataset.spin),
    ):
        for frame in np.flatnonzero(~np.isnan(values)).tolist():
            text = name.encode() + steps(values[frame : frame + 1]).tobytes()
            said[frame] = said.get(frame, b"") + text
    for frame in np.flatnonzero(dataset.has_magmoms).tolist():
        rows = slice(dataset.offsets[frame], dataset.offsets[frame + 1])
        text = b"magmoms" + steps(dataset.magmoms[rows]).tobytes()
        said[frame] = said.get(frame, b"") + text
    return said


def steps(lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count lengths (A) in whole tolerances; -0.0 and 0.0 give the same."""
    scaled = lengths * (1 / TOLERANCE)
    scaled += _SHIFT
    return np.floor(scaled, out=scaled).astype("<i8")


def _raw(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def first_of_each(
    prints: NDArray[np.str_], labelled: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the first labelled frame of each fingerprint, or the first, in order."""
    order = np.argsort(~labelled, kind="stable")
    _, first = np.unique(prints[order], return_index=True)
    return np.sort(order[first])
