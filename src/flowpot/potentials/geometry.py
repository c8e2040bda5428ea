"""Periodic cells for frames that are not fully periodic, and pairs within a cutoff."""

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

VACUUM_MARGIN = 1.0
"""Vacuum beyond the cutoff in a lengthened cell (A)."""


def periodic_cell(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    cutoff: float,
) -> NDArray[np.float64]:
    """
    Return a cell for a frame that may be repeated along all three axes.

    A potential predicts the same for the frame in this fully periodic cell: along a
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
        Cutoff of the potential, in A.

    Returns
    -------
    ndarray
        Cell vectors as rows, shape (3, 3), in A: `cell` itself if all are periodic.
    """
    if pbc.all():
        return cell
    completed = np.array(Cell(cell).complete())
    # Lengthening a vector turns no face, so the axes may be treated one by one.
    normals = np.linalg.inv(completed).T
    heights = 1 / np.linalg.norm(normals, axis=1)
    spans = np.ptp(positions @ normals.T, axis=0) * heights
    short = ~pbc & (heights - spans <= cutoff)
    stretch = np.where(short, (spans + cutoff + VACUUM_MARGIN) / heights, 1.0)
    return completed * stretch[:, None]


def volume_ratio(
    periodic: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> float:
    """
    Return the factor from the stress of the periodic cell to that of the frame.

    Stress is the virial over the volume, and the virial is the same in both cells. So
    is that of the components along a non-periodic axis: the strain derivative of the
    energy.

    Parameters
    ----------
    periodic
        Cell of `periodic_cell`, shape (3, 3), in A.
    cell, pbc
        The frame's own: see `periodic_cell`.

    Returns
    -------
    float
        V(periodic) / V(frame); NaN for a frame without a periodic axis or without a
        volume, which has no stress.
    """
    volume = abs(np.linalg.det(cell))
    if not pbc.any() or volume == 0:
        return np.nan
    return float(abs(np.linalg.det(periodic)) / volume)


def within(
    cutoff: float,
    positions: NDArray[np.float64],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    shifts: NDArray[np.float64],
) -> NDArray[np.intp]:
    """
    Find the pairs of atoms that are nearer than a cutoff.

    Parameters
    ----------
    cutoff
        Largest distance, in A.
    positions
        Positions, shape (N, 3), in A.
    first, second
        Atoms of each pair, shape (P,).
    shifts
        Vector from the cell of the first to that of the second, shape (P, 3), in A.

    Returns
    -------
    ndarray
        Indices of the pairs, ascending.
    """
    # Runs at every step of molecular dynamics: `take` and a product are fastest.
    vectors = positions.take(second, axis=0)
    vectors -= positions.take(first, axis=0)
    vectors += shifts
    vectors *= vectors
    return np.flatnonzero(vectors @ np.ones(3) < cutoff**2)
