"""
Cells that have collapsed: shrunk to nothing, or nearly flat.

In such a cell every atom has thousands of images within a potential's cutoff: to
predict the frame takes minutes and gigabytes, and the result means nothing.
"""

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.soundness import check_sound, is_sound
from flowpot.dataset.where import Where

LEAST_IMAGE = 0.5
"""Least distance (A) of an atom and its own periodic image in frames that are
predicted: two thirds of the bond of H2."""
LEAST_VOLUME = 0.5
"""Least volume per atom (A^3) of frames that are predicted: hydrogen at 500 GPa has
1.2."""
SMALLEST_IMAGE = 1e-2
"""Least distance (A) of an atom and its image in frames of a dataset: where it is
less, a program has made a mistake."""
SMALLEST_VOLUME = 1e-3
"""Least volume per atom (A^3) of frames of a dataset."""
_MARGIN = 2.0
"""Room that atoms take beyond their extent along open directions (A)."""


class CollapsedCellError(ValueError):
    """A cell is too small for its atoms, or nearly flat."""


def image_distances(
    cell: NDArray[np.float64], pbc: NDArray[np.bool_], enough: float
) -> NDArray[np.float64]:
    """
    Return how far each frame's atoms are from their own images.

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
    rows = np.where(pbc[:, :, None], cell, 0.0)
    gram = rows @ rows.transpose(0, 2, 1)
    gram[:, np.arange(3), np.arange(3)] += ~pbc
    # The distance of the lattice planes along each vector bounds all lattice vectors.
    planes = 1 / np.sqrt(np.einsum("nii->ni", np.linalg.inv(gram)))
    distances = np.where(pbc, planes, np.inf).min(axis=1)
    for frame in np.flatnonzero(distances < enough):
        try:
            reduced, _ = minkowski_reduce(cell[frame], pbc=pbc[frame])
        except RuntimeError:  # in the flattest cells the reduction does not converge
            distances[frame] = 0.0
        else:
            distances[frame] = np.linalg.norm(reduced[pbc[frame]], axis=1).min()
    return distances


def volumes_per_atom(frames: Arrays) -> NDArray[np.float64]:
    """
    Return the volume per atom of each frame, shape (n,), in A^3.

    Along open directions the extent of the atoms counts. A frame without a periodic
    axis has infinite volume.
    """
    cell, pbc, rows = frames.cell, frames.pbc, frames.rows
    volume = np.full(len(frames), np.inf)
    periodic = pbc.all(axis=1)
    volume[periodic] = np.abs(np.linalg.det(cell[periodic]))
    for frame in np.flatnonzero(pbc.any(axis=1) & ~pbc.all(axis=1)):
        positions = frames.positions[rows[frame]]
        vectors = cell[frame][pbc[frame]]
        _, lengths, axes = np.linalg.svd(vectors)
        spans = np.ptp(positions @ axes[len(vectors) :].T, axis=0) + _MARGIN
        volume[frame] = lengths.prod() * spans.prod()
    return volume / frames.n_atoms


def is_collapsed(frames: Arrays) -> NDArray[np.bool_]:
    """
    Find the frames that no potential should predict.

    Parameters
    ----------
    frames
        n frames.

    Returns
    -------
    numpy.ndarray
        Whether the cell of each has collapsed, or the frame is not even sound (see
        `flowpot.dataset.geometry.soundness`), shape (n,).
    """
    sound = is_sound(frames)
    # What is not sound has neither images nor volume that could be measured.
    pbc = frames.pbc & sound[:, None]
    measured = Arrays(
        frames.numbers, frames.positions, frames.cell, pbc, frames.offsets
    )
    apart = image_distances(frames.cell, pbc, LEAST_IMAGE) >= LEAST_IMAGE
    roomy = volumes_per_atom(measured) >= LEAST_VOLUME
    return ~(sound & apart & roomy)


def check_predictable(frames: Arrays) -> None:
    """
    Check that no frame is one that no potential should predict.

    Raises
    ------
    ValueError
        Where a frame is not sound: names it, and the remedy.
    CollapsedCellError
        Where a cell has collapsed: names the frame, the limits and the remedy.
    """
    collapsed = np.flatnonzero(is_collapsed(frames))
    if len(collapsed):
        frame = int(collapsed[0])
        check_sound(frames.frame(frame), Where(first=frame))
        sizes = _measures(frames.frame(frame))
        raise CollapsedCellError(
            f"frame {frame}: its cell has shrunk or is nearly flat: {sizes}, and at "
            f"least {LEAST_IMAGE} A (LEAST_IMAGE) and {LEAST_VOLUME} A^3 "
            "(LEAST_VOLUME) are needed to predict it: remove the frame, or correct its "
            "cell"
        )


def check_cells(frames: Arrays, where: Where) -> None:
    """
    Check that the cells of a dataset can be those of calculations.

    Raises
    ------
    ValueError
        Where one is beyond `SMALLEST_IMAGE` or `SMALLEST_VOLUME`.
    """
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
    """Return in words how small the cell of a frame is."""
    distance = image_distances(frame.cell, frame.pbc, LEAST_IMAGE)[0]
    volume = volumes_per_atom(frame)[0]
    return (
        f"its periodic images are {distance:.2g} A apart, and an atom has {volume:.2g} "
        "A^3"
    )
