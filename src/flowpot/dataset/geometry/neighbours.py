"""Neighbours: pairs of atoms within a distance, nearest and closest ones."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import complete_cell
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

_FIRST_CUTOFF = 1.3
"""First cutoff of the search for nearest neighbours, in sums of covalent radii: bonds
are shorter."""
_GROWTH = 1.5
"""Factor by which this cutoff grows until neighbours are found."""
_BONDED = 1.25
"""Neighbours up to this many nearest-neighbour distances away are bonded."""


@dataclass(frozen=True)
class Pairs:
    """
    Pairs of atoms of a frame, those closer than a cutoff.

    Parameters
    ----------
    first, second
        Atoms of each pair, shape (P,), sorted by ``first``. Each pair is listed from
        both its ends.
    vectors
        Vectors from the first to the second atom of each pair, or to an image of it,
        shape (P, 3), in A.
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
        """Return each pair from one end, without pairs of an atom and its image."""
        keep = self.first < self.second
        return Pairs(
            self.first[keep], self.second[keep], self.vectors[keep], self.n_atoms
        )

    def nearest(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Return the distance of each atom to its nearest neighbour.

        Parameters
        ----------
        lengths
            Lengths of the pairs, in one or several arrangements of the atoms, shape
            (..., P), in A.

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
        A frame with any cell: skewed, left-handed, or absent along open directions.
    cutoff
        Distance of the farthest pairs, in A.
    """
    pbc = atoms.pbc
    positions = np.ascontiguousarray(atoms.positions)
    # Vectors of open directions matter only to the cell lists of the search.
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
    Return each atom's distance to its nearest neighbour, periodic images included.

    Returns
    -------
    numpy.ndarray
        Shape (N,), in A; infinite where an atom has no neighbour at all (a single
        atom with no periodic direction).
    """
    # Within this distance (A) each atom that has neighbours has one.
    periodic = np.linalg.norm(atoms.cell[atoms.pbc], axis=1)
    farthest = (
        periodic.min()
        if len(periodic)
        else np.linalg.norm(np.ptp(atoms.positions, axis=0))
    )
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
        Pairs not much farther apart than the nearest neighbour of either atom, each
        from both its ends; none where no atom has a neighbour.
    """
    nearest = nearest_distances(atoms)
    finite = nearest[np.isfinite(nearest)]
    pairs = find_pairs(atoms, _BONDED * finite.max(initial=0.0))
    limit = _BONDED * np.maximum(nearest[pairs.first], nearest[pairs.second])
    keep = pairs.lengths <= limit
    return Pairs(pairs.first[keep], pairs.second[keep], pairs.vectors[keep], len(atoms))


def pairs_within(
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


@dataclass(frozen=True)
class Contact:
    """
    Two atoms, or an atom and its image, and how close they are.

    Parameters
    ----------
    first, second
        Indices of the atoms.
    distance
        Their distance, in A.
    ratio
        This distance over the sum of their covalent radii (Cordero et al. 2008, in
        ASE).
    """

    first: int
    second: int
    distance: float
    ratio: float


def closest_pair(atoms: Atoms, within: float = 1.0) -> Contact | None:
    """
    Find the pair that is closest in terms of its covalent radii.

    Parameters
    ----------
    atoms
        The frame.
    within
        Distance up to which to search, in sums of covalent radii.

    Returns
    -------
    Contact or None
        None if no pair is closer than `within`.
    """
    radii = covalent_radii[atoms.numbers]
    pairs = find_pairs(atoms, within * 2 * radii.max(initial=0.0))
    distances = pairs.lengths
    ratios = distances / (radii[pairs.first] + radii[pairs.second])
    if ratios.min(initial=np.inf) >= within:
        return None
    closest = int(ratios.argmin())
    return Contact(
        int(pairs.first[closest]),
        int(pairs.second[closest]),
        float(distances[closest]),
        float(ratios[closest]),
    )


def closest_contact(atoms: Atoms, within: float = 1.0) -> float:
    """
    Return the shortest distance of two atoms, in sums of covalent radii.

    Parameters
    ----------
    atoms
        The frame.
    within
        Distance up to which to search, in sums of covalent radii.

    Returns
    -------
    float
        The smallest ``|r_ij| / (R_i + R_j)``; infinite if no pair is within `within`.
    """
    contact = closest_pair(atoms, within)
    return np.inf if contact is None else contact.ratio


def clearance(atoms: Atoms, fraction: float, horizon: float) -> float:
    """
    Return how far the closest pair is from being too close.

    Parameters
    ----------
    atoms
        The frame.
    fraction
        Smallest allowed distance of a pair, in sums of its covalent radii.
    horizon
        Distance beyond that up to which to search (A).

    Returns
    -------
    float
        The smallest ``|r_ij| - fraction (R_i + R_j)``, in A, at most `horizon`.
        Negative where a pair is too close.
    """
    radii = fraction * covalent_radii[atoms.numbers]
    pairs = find_pairs(atoms, 2 * radii.max() + horizon)
    clearances = pairs.lengths - radii[pairs.first] - radii[pairs.second]
    return float(clearances.min(initial=horizon))
