"""Frames as potentials see them, and the cells that non-periodic ones are given."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from flowpot.dataset import Dataset

VACUUM_MARGIN = 1.0
"""Vacuum beyond the cutoff that an extended cell leaves (A)."""


class Geometry(NamedTuple):
    """
    The arrays of a Dataset that a potential reads; n frames of A atoms in all.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (A,).
    positions
        Positions, shape (A, 3), in A.
    cell
        Cell vectors as rows, shape (n, 3, 3), in A.
    pbc
        Whether each cell vector is periodic, shape (n, 3).
    offsets
        Where each frame begins in the per-atom arrays, and their end, shape (n + 1,).
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Self:
        """Take the arrays of a Dataset, without a copy."""
        return cls(
            dataset.numbers,
            dataset.positions,
            dataset.cell,
            dataset.pbc,
            dataset.offsets - dataset.offsets[0],
        )

    @property
    def atoms(self) -> list[slice]:
        """The atoms of each frame."""
        ends = self.offsets.tolist()
        return [slice(*each) for each in pairwise(ends)]

    def frame(self, index: int) -> Self:
        """Return one of the frames, without a copy."""
        first, last = self.offsets[index : index + 2]
        return self._replace(
            numbers=self.numbers[first:last],
            positions=self.positions[first:last],
            cell=self.cell[index : index + 1],
            pbc=self.pbc[index : index + 1],
            offsets=np.array([0, last - first]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join frames."""
        sizes = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            numbers=np.concatenate([part.numbers for part in parts]),
            positions=np.concatenate([part.positions for part in parts]),
            cell=np.concatenate([part.cell for part in parts]),
            pbc=np.concatenate([part.pbc for part in parts]),
            offsets=np.concatenate([[0], np.cumsum(sizes)]),
        )

    @classmethod
    def of_atoms(cls, atoms: Atoms) -> Self:
        """Take one frame from ASE."""
        return cls(
            atoms.numbers,
            atoms.positions,
            atoms.cell.array[None],
            atoms.pbc[None],
            np.array([0, len(atoms)]),
        )


def periodic_cell(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    cutoff: float,
) -> NDArray[np.float64]:
    """
    Return a frame a cell that may be repeated along all three axes.

    A potential that sees this cell as fully periodic sees the frame as it is: along a
    non-periodic axis the images of the atoms lie beyond the cutoff. Such a cell vector
    is completed where it is missing, and lengthened where it leaves too little vacuum;
    no atom moves, and periodic vectors stay.

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
    ndarray
        Cell vectors as rows, shape (3, 3), in A: `cell` itself where that will do.
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

    Stress is the virial over the volume, and the virial is the same in both cells.
    Its components along a non-periodic axis are those of the vacuum cell: the strain
    derivative of the energy, over the frame's volume.

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


def within(
    cutoff: float,
    positions: NDArray[np.float64],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    shifts: NDArray[np.float64],
) -> NDArray[np.intp]:
    """
    Pick the pairs of atoms that are nearer than a cutoff.

    Parameters
    ----------
    cutoff
        In A.
    positions
        Shape (N, 3), in A.
    first, second
        The atoms of each pair, shape (P,).
    shifts
        Between the cells of the two, shape (P, 3), in A.

    Returns
    -------
    ndarray
        Indices of pairs, ascending.
    """
    # At every step of molecular dynamics: `take` and the product are the fastest.
    vectors = positions.take(second, axis=0)
    vectors -= positions.take(first, axis=0)
    vectors += shifts
    vectors *= vectors
    return np.flatnonzero(vectors @ np.ones(3) < cutoff**2)
