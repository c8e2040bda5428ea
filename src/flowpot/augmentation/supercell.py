"""Supercells: the superlattice with the longest shortest translation."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.geometry import minkowski_reduce
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import repeated
from flowpot.dataset.electronic_state import bare
from flowpot.validation import complete, positive, whole

Lattice = NDArray[np.float64]
"""Lattice vectors as rows in A, shape (d, 3), with d = 1, 2 or 3."""
Matrices = NDArray[np.int64]
"""Vectors of superlattices in units of the lattice's, shape (..., d, d)."""

_WINDOW = 1.15
"""Factor between the largest and smallest index that are searched at once."""
_BOUNDED = 3000
"""Largest number of candidates in a window whose shortest vector is bounded."""
_TESTED = 400
"""Largest number of candidates in a window whose shortest vector is determined."""
_PACKING = {1: 1.0, 2: 2 / 3**0.5, 3: 2**0.5}
"""Hermite's bound by dimension d: a lattice of volume V has a vector that is no longer
than (bound V)^(1/d). The densest lattice packings of rods, discs and balls reach it."""


def longest_superlattice(lattice: Lattice, min_length: float, copies: int) -> Matrices:
    """
    Find a small superlattice without short vectors.

    Parameters
    ----------
    lattice
        Reduced lattice vectors as rows in A, shape (d, 3), with d = 1, 2 or 3.
    min_length
        Wanted length of the shortest vector, in A.
    copies
        Largest index of a superlattice: its volume in units of the lattice's.

    Returns
    -------
    numpy.ndarray
        Reduced vectors of the superlattice as rows, in units of the lattice's, shape
        (d, d). Of the superlattices that reach `min_length` it is the one of smallest
        index; if none does, the one whose shortest vector is longest.

    Notes
    -----
    In one and two dimensions all superlattices are searched, by their Hermite normal
    forms. In three dimensions, where there are millions, the search is over those
    near fcc, bcc and cubic shapes (matrices whose elements differ by one at most from
    the rounded ideal ones, as in `ase.build.find_optimal_cell_shape`) and over diagonal
    ones.
    """
    volume = np.sqrt(np.linalg.det(lattice @ lattice.T))
    dimension = len(lattice)
    needed = int(np.ceil(min_length**dimension / _PACKING[dimension] / volume - 1e-9))
    # No smaller index can do. If even the largest cannot, the last windows matter only.
    low = max(1, min(needed, int(copies / _WINDOW**2)))
    best, length = np.eye(dimension, dtype=np.int64), _shortest_row(lattice)
    while low <= copies and length < min_length:
        high = min(copies, max(low, int(low * _WINDOW)))
        candidates = _CANDIDATES[dimension](lattice, low, high)
        matrix, reached = _best(lattice, candidates, min_length)
        if reached > length * (1 + 1e-9):
            best, length = matrix, reached
        low = high + 1
    return best


def _best(
    lattice: Lattice, matrices: Matrices, min_length: float
) -> tuple[Matrices, float]:
    """Return the smallest candidate that is long enough, else the longest."""
    # The shortest row bounds the shortest vector from above, and so do sums of rows.
    # This is cheap, and exact for compact cells; the best are reduced to be sure.
    rows = np.linalg.norm(matrices @ lattice, axis=2).min(axis=1)
    longest = np.argsort(-np.minimum(rows, min_length), kind="stable")
    matrices = matrices[longest[:_BOUNDED]]
    signs = np.array([c for c in product((-1, 0, 1), repeat=len(lattice)) if any(c)])
    sums = signs[len(signs) // 2 :] @ (matrices @ lattice)
    bound = np.sqrt((sums**2).sum(axis=2).min(axis=1, initial=np.inf))
    index = np.abs(np.rint(np.linalg.det(matrices)))
    order = np.lexsort((index, -np.minimum(bound, min_length).round(6)))
    best, length = np.eye(len(lattice), dtype=np.int64), 0.0
    for candidate in order[:_TESTED]:
        if bound[candidate] <= length * (1 + 1e-9):
            break
        # The Minkowski-reduced basis of the superlattice, in units of the lattice.
        n = len(lattice)
        cell = np.zeros((3, 3))
        cell[:n] = matrices[candidate] @ lattice
        _, operation = minkowski_reduce(cell, np.arange(3) < n)
        matrix = np.asarray(operation[:n, :n] @ matrices[candidate], dtype=np.int64)
        reached = _shortest_row(matrix @ lattice)
        if reached > length:
            best, length = matrix, reached
        if length >= min_length:
            break
    return best, length


def _shortest_row(vectors: Lattice) -> float:
    """Return the length of the shortest vector of a reduced lattice (A)."""
    return float(np.linalg.norm(vectors, axis=1).min())


def _rods(lattice: Lattice, low: int, high: int) -> Matrices:
    """Return all superlattices of a line."""
    del lattice
    return np.arange(low, high + 1).reshape(-1, 1, 1)


def _planes(lattice: Lattice, low: int, high: int) -> Matrices:
    """Return all superlattices of a plane, reduced, by Hermite normal form."""
    forms = [
        ((a, b), (0, n // a))
        for n in range(low, high + 1)
        for a in range(1, n + 1)
        if n % a == 0
        for b in range(n // a)
    ]
    # Rows (a, b) and (0, d) with 0 <= b < d.
    matrices = np.array(forms, dtype=np.int64)
    for _ in range(64):  # Lagrange's algorithm; every step shortens a vector
        vectors = matrices @ lattice
        norms = (vectors**2).sum(axis=2)
        swap = norms[:, 0] > norms[:, 1]
        matrices[swap] = matrices[swap, ::-1]
        vectors[swap] = vectors[swap, ::-1]
        shortest = np.minimum(norms[:, 0], norms[:, 1])
        steps = np.rint((vectors[:, 0] * vectors[:, 1]).sum(axis=1) / shortest)
        if not steps.any():
            break
        matrices[:, 1] -= steps.astype(np.int64)[:, None] * matrices[:, 0]
    return matrices


def _spaces(lattice: Lattice, low: int, high: int) -> Matrices:
    """Return compact superlattices of space, and diagonal ones."""
    side = (0.5 * (low + high) * abs(np.linalg.det(lattice))) ** (1 / 3)
    nearby = np.indices((3,) * 9).reshape(9, -1).T.reshape(-1, 3, 3) - 1
    shapes = [
        np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2 ** (1 / 3),  # fcc
        np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 4 ** (1 / 3),  # bcc
        np.eye(3),
    ]
    ideal = [side * shape @ np.linalg.inv(lattice) for shape in shapes]
    compact = np.concatenate(
        [np.rint(matrix).astype(np.int64) + nearby for matrix in ideal]
    )
    sides = [
        (a, b, c)
        for a in range(1, high + 1)
        for b in range(1, high // a + 1)
        for c in range(1, high // (a * b) + 1)
    ]
    diagonal = np.array(sides)[:, :, None] * np.eye(3, dtype=np.int64)
    matrices = np.concatenate([compact, diagonal])
    normals = np.cross(matrices[:, 1], matrices[:, 2])
    index = np.abs((matrices[:, 0] * normals).sum(axis=1))
    return matrices[(low <= index) & (index <= high)]


_CANDIDATES = {1: _rods, 2: _planes, 3: _spaces}


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
        complete(self)
        positive(min_length=self.min_length)
        whole(1, max_atoms=self.max_atoms)

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
        those of all repeated cells. It has no labels, metadata or constraints.

    Raises
    ------
    ValueError
        If `min_length` is not positive, or `max_atoms` is no whole number.

    Examples
    --------
    >>> from ase.build import bulk
    >>> cell = supercell(bulk("C"))
    >>> len(cell), round(shortest_translation(cell.cell, cell.pbc), 1)
    (432, 15.1)
    """
    positive(min_length=min_length)
    whole(1, max_atoms=max_atoms)
    cell = bare(atoms)
    copies = max_atoms // len(atoms)
    if copies <= 1 or shortest_translation(atoms.cell, atoms.pbc) >= min_length:
        return cell
    periodic = np.flatnonzero(atoms.pbc)
    operation, reduced = _reduced(np.array(atoms.cell), atoms.pbc)
    small = longest_superlattice(reduced, min_length, copies) @ operation
    if np.linalg.det(small) < 0:
        small = -small if len(small) % 2 else small[::-1]
    matrix = np.eye(3, dtype=np.int64)
    matrix[np.ix_(periodic, periodic)] = small
    large = make_supercell(cell, matrix)
    repeated(large, cell)
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
