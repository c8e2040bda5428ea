"""Neighbour distances: any cell, any mixture of periodic and open directions."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import complete_cell
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

_FIRST_CUTOFF = 1.3
"""Where the search for nearest neighbours starts, in sums of covalent radii: bonds
are shorter."""
_GROWTH = 1.5


@dataclass(frozen=True)
class Pairs:
    """
    The pairs of a frame that are closer than a cutoff.

    Parameters
    ----------
    first, second
        Atoms of each pair, shape (P,), sorted by ``first``. Each pair is listed from
        both its ends.
    vectors
        From first to second (its nearest images), shape (P, 3), in A.
    n_atoms
        Number of atoms N of the frame.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    vectors: NDArray[np.float64]
    n_atoms: int

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Distances, shape (P,), in A."""
        return np.linalg.norm(self.vectors, axis=1)

    def half(self) -> "Pairs":
        """Give each pair from one end only; pairs of an atom and its image go."""
        keep = self.first < self.second
        return Pairs(
            self.first[keep], self.second[keep], self.vectors[keep], self.n_atoms
        )

    def nearest(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Give each atom's shortest pair, for one or several sets of pair lengths.

        Parameters
        ----------
        lengths
            Shape (..., P), in A.

        Returns
        -------
        numpy.ndarray
            Shape (..., N), in A; infinite for an atom without a neighbour.
        """
        nearest = np.full((*lengths.shape[:-1], self.n_atoms), np.inf)
        if len(self.first):
            atoms, starts = np.unique(self.first, return_index=True)
            nearest[..., atoms] = np.minimum.reduceat(lengths, starts, axis=-1)
        return nearest


def find_pairs(atoms: Atoms, cutoff: float) -> Pairs:
    """
    Find all pairs closer than a cutoff, periodic images included.

    Parameters
    ----------
    atoms
        Any cell: skewed, left-handed, or absent along directions that are open.
    cutoff
        In A.
    """
    pbc = atoms.pbc
    positions = np.ascontiguousarray(atoms.positions)
    # Vectors of open directions matter to nobody but the search's own cell lists.
    cell = np.ascontiguousarray(complete_cell(np.where(pbc[:, None], atoms.cell, 0)))
    first, second, shifts, _ = find_points_in_spheres(
        all_coords=positions,
        center_coords=positions,
        r=float(cutoff),
        pbc=np.ascontiguousarray(pbc, dtype=np.int64),
        lattice=cell,
        tol=1e-8,
    )
    vectors = positions[second] + shifts @ cell - positions[first]
    itself = (first == second) & (shifts == 0).all(axis=1)
    order = np.flatnonzero(~itself)
    order = order[np.argsort(first[order], kind="stable")]
    return Pairs(first[order], second[order], vectors[order], len(atoms))


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


def closest_contact(atoms: Atoms, within: float = 1.0) -> float:
    """
    Give the shortest distance of a frame, in sums of covalent radii.

    Parameters
    ----------
    atoms
        The frame.
    within
        How far to look, in sums of covalent radii.

    Returns
    -------
    float
        The smallest ``|r_ij| / (R_i + R_j)``; infinite if no pair is that close.
    """
    radii = covalent_radii[atoms.numbers]
    pairs = find_pairs(atoms, within * 2 * radii.max())
    ratios = pairs.lengths / (radii[pairs.first] + radii[pairs.second])
    return float(ratios.min(initial=np.inf))


def _farthest(atoms: Atoms) -> float:
    """Give a distance by which every atom has met a neighbour, if it has any (A)."""
    periodic = np.linalg.norm(atoms.cell[atoms.pbc], axis=1)
    if len(periodic):
        return float(periodic.min())
    return float(np.linalg.norm(np.ptp(atoms.positions, axis=0)))
