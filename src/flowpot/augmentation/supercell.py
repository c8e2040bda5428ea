"""Supercells with the longest shortest lattice translation for their atoms."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.geometry import minkowski_reduce
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import repeated
from flowpot.augmentation.superlattices import longest_superlattice
from flowpot.validation import at_least, positive


@dataclass(frozen=True)
class Supercells(MSONable):
    """
    Size of the supercells that frames are made of.

    Parameters
    ----------
    min_length
        Wanted length of the shortest lattice translation, in A.
    max_atoms
        Largest number of atoms, which may not allow that length.
    """

    min_length: float = 18.0
    max_atoms: int = 450

    def __post_init__(self) -> None:
        """Check the parameters."""
        positive(min_length=self.min_length)
        at_least(1, max_atoms=self.max_atoms)

    def of(self, atoms: Atoms) -> Atoms:
        """Return the supercell of a structure, as `supercell` does."""
        return supercell(atoms, min_length=self.min_length, max_atoms=self.max_atoms)


def supercell(atoms: Atoms, *, min_length: float = 18.0, max_atoms: int = 450) -> Atoms:
    """
    Repeat a structure until no lattice translation is shorter than a length.

    The length is that of the shortest of *all* lattice translations, the distance of an
    atom to its nearest image, which for a skewed cell may be none of the cell vectors.
    The new cell vectors need not be multiples of the old ones (non-diagonal
    supercells), since compact cells reach the same length with fewer atoms.

    Parameters
    ----------
    atoms
        A structure that is periodic in any number of directions. It is not repeated
        along the others.
    min_length
        Wanted length of the shortest lattice translation, in A.
    max_atoms
        Largest number of atoms. A structure with more atoms is not repeated.

    Returns
    -------
    Atoms
        The smallest supercell found whose shortest translation is at least
        `min_length`. If `max_atoms` do not suffice, the one whose shortest translation
        is the longest. Its cell is Minkowski-reduced and has the handedness of the
        given one. Moments are repeated with their atoms; charge and total moment are
        those of all repeated cells.

    Examples
    --------
    >>> from ase.build import bulk
    >>> cell = supercell(bulk("C"))
    >>> len(cell), round(shortest_translation(cell.cell, cell.pbc), 1)
    (432, 15.1)
    """
    copies = max_atoms // len(atoms)
    if copies <= 1 or shortest_translation(atoms.cell, atoms.pbc) >= min_length:
        return atoms.copy()
    periodic = np.flatnonzero(atoms.pbc)
    operation, reduced = _reduced(np.array(atoms.cell), atoms.pbc)
    small = longest_superlattice(reduced, min_length, copies) @ operation
    if np.linalg.det(small) < 0:
        small = -small if len(small) % 2 else small[::-1]
    matrix = np.eye(3, dtype=np.int64)
    matrix[np.ix_(periodic, periodic)] = small
    large = make_supercell(atoms, matrix)
    large.info = dict(atoms.info)
    repeated(large, atoms)
    return large


def shortest_translation(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> float:
    """
    Return the length of the shortest lattice translation.

    Parameters
    ----------
    cell
        Cell vectors as rows in A, shape (3, 3).
    pbc
        Which cell vectors are periodic, shape (3,).

    Returns
    -------
    float
        Length in A; infinite if no cell vector is periodic.
    """
    reduced = _reduced(np.asarray(cell), np.asarray(pbc))[1]
    return float(np.linalg.norm(reduced, axis=1).min(initial=np.inf))


def _reduced(
    cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return coefficients of the Minkowski-reduced periodic vectors, and these (A)."""
    periodic = np.flatnonzero(pbc)
    if not len(periodic):
        return np.empty((0, 0), np.int64), np.empty((0, 3))
    _, operation = minkowski_reduce(np.where(pbc[:, None], cell, 0.0), pbc)
    operation = operation[np.ix_(periodic, periodic)]
    return operation, operation @ cell[periodic]
