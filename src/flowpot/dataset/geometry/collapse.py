"""
Cells that have shrunk to nothing, or are nearly flat.

In such a cell every atom has thousands of images within a potential's cutoff: a frame
takes minutes and gigabytes to predict, for a number that means nothing.
"""

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.where import Where

LEAST_IMAGE = 0.5
"""An atom and its own periodic image are at least this far apart (A) in any frame that
is predicted: two thirds of the bond of H2."""
LEAST_VOLUME = 0.5
"""Least volume per atom (A^3) of a predicted frame: hydrogen at 500 GPa has 1.2."""
SMALLEST_IMAGE = 1e-2
"""The same distance (A) in any frame of a dataset: less is some program's mistake."""
SMALLEST_VOLUME = 1e-3
"""Least volume per atom (A^3) of a frame of a dataset."""
_MARGIN = 2.0
"""Along open directions atoms take this much more than their extent (A)."""


class CollapsedCellError(ValueError):
    """A cell is too small for its atoms, or nearly flat."""


def image_distances(
    cell: NDArray[np.float64], pbc: NDArray[np.bool_], enough: float
) -> NDArray[np.float64]:
    """
    Return how near each frame's atoms are to their own images.

    Parameters
    ----------
    cell, pbc
        Shapes (n, 3, 3), in A, and (n, 3); periodic vectors must be independent.
    enough
        Distances beyond this (A) need not be exact.

    Returns
    -------
    numpy.ndarray
        Length of the shortest lattice vector, or a lower bound of it that is at least
        `enough`, shape (n,), in A; infinite where nothing is periodic.
    """
    rows = cell * pbc[:, :, None]
    gram = rows @ rows.transpose(0, 2, 1)
    gram[:, np.arange(3), np.arange(3)] += ~pbc
    # The distance of the lattice planes along each vector bounds all lattice vectors.
    planes = 1 / np.sqrt(np.einsum("nii->ni", np.linalg.inv(gram)))
    found = np.where(pbc, planes, np.inf).min(axis=1)
    for frame in np.flatnonzero(found < enough):
        found[frame] = _shortest_vector(cell[frame], pbc[frame])
    return found


def _shortest_vector(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> float:
    try:
        reduced, _ = minkowski_reduce(cell, pbc=pbc)
    except RuntimeError:  # it does not converge in the flattest of cells
        return 0.0
    return float(np.linalg.norm(reduced[pbc], axis=1).min())


def volumes_per_atom(frames: Arrays) -> NDArray[np.float64]:
    """
    Return the volume that each atom of each frame has, shape (n,), in A^3.

    Along open directions the extent of the atoms counts; a frame without a periodic
    axis has no such volume: infinity.
    """
    cell, pbc, rows = frames.cell, frames.pbc, frames.rows
    volume = np.where(pbc.all(axis=1), np.abs(np.linalg.det(cell)), np.inf)
    for frame in np.flatnonzero(pbc.any(axis=1) & ~pbc.all(axis=1)):
        positions = frames.positions[rows[frame]]
        vectors = cell[frame][pbc[frame]]
        _, lengths, axes = np.linalg.svd(vectors)
        spans = np.ptp(positions @ axes[len(vectors) :].T, axis=0) + _MARGIN
        volume[frame] = lengths.prod() * spans.prod()
    return volume / frames.n_atoms


def is_collapsed(frames: Arrays) -> NDArray[np.bool_]:
    """
    Tell the frames that no potential should be asked about.

    Parameters
    ----------
    frames
        n frames.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    near = image_distances(frames.cell, frames.pbc, LEAST_IMAGE) < LEAST_IMAGE
    return near | (volumes_per_atom(frames) < LEAST_VOLUME)


def check_predictable(frames: Arrays) -> None:
    """
    Refuse frames that no potential should be asked about.

    Raises
    ------
    CollapsedCellError
        With the frame, the limits and the remedy.
    """
    collapsed = np.flatnonzero(is_collapsed(frames))
    if len(collapsed):
        frame = int(collapsed[0])
        sizes = _measures(frames.frame(frame))
        raise CollapsedCellError(
            f"frame {frame}: its cell has shrunk or is nearly flat: {sizes}, and at "
            f"least {LEAST_IMAGE} A (LEAST_IMAGE) and {LEAST_VOLUME} A^3 "
            "(LEAST_VOLUME) are needed to predict it: remove the frame, or correct its "
            "cell"
        )


def check_cells(frames: Arrays, where: Where) -> None:
    """Refuse frames that no calculation can have made: see `SMALLEST_IMAGE`."""
    cell, pbc = frames.cell, frames.pbc
    bad = image_distances(cell, pbc, SMALLEST_IMAGE) < SMALLEST_IMAGE
    volume = np.where(pbc.all(axis=1), np.abs(np.linalg.det(cell)), np.inf)
    bad |= volume < SMALLEST_VOLUME * frames.n_atoms
    if bad.any():
        frame = int(np.argmax(bad))
        sizes = _measures(frames.frame(frame))
        raise where.frame(
            frame,
            f"its cell has shrunk or is flat: {sizes}, and at least {SMALLEST_IMAGE} A "
            f"(SMALLEST_IMAGE) and {SMALLEST_VOLUME} A^3 (SMALLEST_VOLUME) are needed: "
            "remove the frame, or correct its cell",
        )


def _measures(frame: Arrays) -> str:
    """Say how small one frame is."""
    distance = image_distances(frame.cell, frame.pbc, LEAST_IMAGE)[0]
    volume = volumes_per_atom(frame)[0]
    return (
        f"its periodic images are {distance:.2g} A apart, and an atom has {volume:.2g} "
        "A^3"
    )
