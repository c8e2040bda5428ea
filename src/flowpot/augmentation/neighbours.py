"""Nearest neighbours: any cell, any mixture of periodic and open directions."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.dataset.contacts import find_pairs

_FIRST_CUTOFF = 1.3
"""Where the search for nearest neighbours starts, in sums of covalent radii: bonds
are shorter."""
_GROWTH = 1.5


def nearest_distances(atoms: Atoms) -> NDArray[np.float64]:
    """
    Give each atom's distance to its nearest neighbour, periodic images included.

    Returns
    -------
    numpy.ndarray
        Shape (N,), in A; infinite where an atom has no neighbour at all (a single
        atom with no periodic direction).
    """
    farthest = _farthest(atoms)
    cutoff = _FIRST_CUTOFF * 2 * covalent_radii[atoms.numbers].max()
    while True:
        pairs = find_pairs(atoms, cutoff)
        nearest = pairs.nearest(pairs.lengths)
        if np.isfinite(nearest).all() or cutoff > farthest:
            return nearest
        cutoff *= _GROWTH


def _farthest(atoms: Atoms) -> float:
    """Give a distance by which every atom has met a neighbour, if it has any (A)."""
    periodic = np.linalg.norm(atoms.cell[atoms.pbc], axis=1)
    if len(periodic):
        return float(periodic.min())
    return float(np.linalg.norm(np.ptp(atoms.positions, axis=0)))
