"""Cell vectors: distances of lattice planes, missing vectors, room around the atoms."""

import numpy as np
from ase.geometry import complete_cell
from numpy.typing import NDArray

VACUUM_MARGIN = 1.0
"""Vacuum beyond the cutoff that `periodic_cell` leaves (A)."""
_FLAT = 1e-6
"""A cell has no volume where it is under this share of the product of its lengths."""


def lattice_planes(
    cell: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the lattice planes that pairs of cell vectors span.

    Parameters
    ----------
    cell
        Cell vectors as rows, shape (..., 3, 3), in A, with a volume.

    Returns
    -------
    tuple
        For each cell vector the unit normal of the planes that the other two span,
        on its side, shape (..., 3, 3), and their distance, shape (..., 3), in A.
    """
    reciprocal = np.linalg.inv(cell).swapaxes(-1, -2)
    distances = 1 / np.linalg.norm(reciprocal, axis=-1)
    return reciprocal * distances[..., None], distances


def is_flat(cell: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether cells, shape (..., 3, 3), have no volume, shape (...)."""
    lengths = np.linalg.norm(cell, axis=-1).prod(axis=-1)
    return np.abs(np.linalg.det(cell)) <= _FLAT * lengths


def completed(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """
    Add the cell vectors that frames lack along open directions.

    Parameters
    ----------
    cell, pbc
        Shapes (n, 3, 3), in A, and (n, 3).

    Returns
    -------
    numpy.ndarray
        Cells that all have a volume, shape (n, 3, 3), in A. In a cell without one, the
        vectors of open directions become unit vectors orthogonal to the periodic ones.
    """
    cell = np.array(cell)
    for frame in np.flatnonzero(is_flat(cell)):
        cell[frame] = complete_cell(np.where(pbc[frame][:, None], cell[frame], 0.0))
    return cell


def periodic_cell(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    cutoff: float,
) -> NDArray[np.float64]:
    """
    Return a cell in which a frame may be repeated along all three axes.

    A potential that sees this cell as fully periodic sees the frame as it is: along a
    non-periodic axis the images of the atoms lie beyond the cutoff. Such a cell vector
    is added where it is missing, and lengthened where it leaves too little vacuum; no
    atom moves, and periodic vectors stay.

    Parameters
    ----------
    positions
        Positions, shape (N, 3), in A; atoms may lie outside the cell.
    cell
        Cell vectors as rows, shape (3, 3), in A; zero where there is none.
    pbc
        Whether each cell vector is periodic, shape (3,).
    cutoff
        The potential's cutoff, in A.

    Returns
    -------
    numpy.ndarray
        Cell vectors as rows, shape (3, 3), in A: `cell` itself if nothing changes.
    """
    if pbc.all():
        return cell
    whole = completed(cell[None], pbc[None])[0]
    # Lengthening a vector turns no plane, so the axes may be treated one by one.
    normals, heights = lattice_planes(whole)
    spans = np.ptp(positions @ normals.T, axis=0)
    short = ~pbc & (heights - spans <= cutoff)
    stretch = np.where(short, (spans + cutoff + VACUUM_MARGIN) / heights, 1.0)
    return whole * stretch[:, None]


def volume_ratio(
    periodic: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> float:
    """
    Return the factor from the stress in a periodic cell to that of the frame.

    Stress is the virial over the volume, and the virial is the same in both cells.
    Its components along a non-periodic axis are those of the vacuum cell: the strain
    derivative of the energy, over the frame's volume.

    Parameters
    ----------
    periodic
        The cell that `periodic_cell` returns, shape (3, 3), in A.
    cell, pbc
        The frame's own cell, shape (3, 3), in A, and its periodic axes, shape (3,).

    Returns
    -------
    float
        V(periodic) / V(frame); NaN where the frame has no periodic axis or no volume:
        it has no stress.
    """
    volume = abs(np.linalg.det(cell))
    if not pbc.any() or volume == 0:
        return np.nan
    return float(abs(np.linalg.det(periodic)) / volume)
