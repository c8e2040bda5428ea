"""Nearest neighbours: any cell, any mixture of periodic and open directions."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.dataset.geometry.neighbours import Pairs, find_pairs

_FIRST_CUTOFF = 1.3
"""Where the search for nearest neighbours starts, in sums of covalent radii: bonds
are shorter."""
_GROWTH = 1.5
_BONDED = 1.25
"""Neighbours up to this many nearest-neighbour distances away are bonded."""


def nearest_distances(atoms: Atoms) -> NDArray[np.float64]:
    """
    Return each atom's distance to its nearest neighbour, periodic images included.

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


def bonded_pairs(atoms: Atoms) -> Pairs:
    """
    Find the pairs of neighbours, an atom and its own images included.

    Returns
    -------
    Pairs
        Those not much farther apart than either atom's nearest neighbour, each from
        both its ends; none where no atom has a neighbour.
    """
    nearest = nearest_distances(atoms)
    finite = nearest[np.isfinite(nearest)]
    pairs = find_pairs(atoms, _BONDED * finite.max(initial=0.0))
    limit = _BONDED * np.maximum(nearest[pairs.first], nearest[pairs.second])
    keep = pairs.lengths <= limit
    return Pairs(pairs.first[keep], pairs.second[keep], pairs.vectors[keep], len(atoms))


def _farthest(atoms: Atoms) -> float:
    """Return a distance by which every atom has met a neighbour, if it has any (A)."""
    periodic = np.linalg.norm(atoms.cell[atoms.pbc], axis=1)
    if len(periodic):
        return float(periodic.min())
    return float(np.linalg.norm(np.ptp(atoms.positions, axis=0)))
