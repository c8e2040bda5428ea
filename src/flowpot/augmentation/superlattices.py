"""Search for the superlattice with the longest shortest vector."""

from itertools import product

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

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
        matrix = _reduce(matrices[candidate], lattice)
        reached = _shortest_row(matrix @ lattice)
        if reached > length:
            best, length = matrix, reached
        if length >= min_length:
            break
    return best, length


def _shortest_row(vectors: Lattice) -> float:
    """Return the length of the shortest vector of a reduced lattice (A)."""
    return float(np.linalg.norm(vectors, axis=1).min())


def _reduce(matrix: Matrices, lattice: Lattice) -> Matrices:
    """Return the Minkowski-reduced basis of a superlattice, in units of the lattice."""
    cell = np.zeros((3, 3))
    cell[: len(matrix)] = matrix @ lattice
    pbc = np.arange(3) < len(matrix)
    _, operation = minkowski_reduce(cell, pbc)
    return np.asarray(operation[: len(matrix), : len(matrix)] @ matrix, dtype=np.int64)


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
