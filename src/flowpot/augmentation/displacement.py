"""Random displacements, scaled by the distance to the nearest neighbour."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.dataset.electronic_state import bare
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.neighbours import find_pairs, nearest_distances
from flowpot.validation import at_least
from flowpot.validation import fraction as check_fraction

_TURNS = 200
"""How often displacements that bring atoms too close are turned, at most."""


def distort(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    fraction: float = 0.3,
    min_distance: float | None = None,
) -> Atoms:
    """
    Displace every atom at random.

    Parameters
    ----------
    atoms
        Any structure.
    rng
        Source of randomness.
    fraction
        Largest displacement of an atom, as a fraction of the distance to its nearest
        neighbour. Magnitudes are uniform up to it, directions isotropic.
    min_distance
        Shortest distance allowed between two atoms, as a fraction of the sum of their
        covalent radii; 0 for none, None for the common limit. The displacements of
        atoms that come closer are turned in another direction.

    Returns
    -------
    Atoms
        A displaced copy, without labels, metadata and constraints. An atom without a
        neighbour, or with no neighbours but its own periodic images, stays: moving it
        would move the whole structure.

    Raises
    ------
    ValueError
        If no directions are found that keep atoms apart.
    """
    check_fraction(fraction=fraction)
    at_least(0, min_distance=min_distance)
    shortest = made_distance(min_distance)
    reach = fraction * movable(atoms, nearest_distances(atoms))
    moves = random_displacements(reach[None], rng)
    moves, apart, _ = keep_atoms_apart(atoms, moves, float(reach.max()), shortest, rng)
    if not apart.all():
        raise ValueError(
            f"displacing {atoms.get_chemical_formula()} by fraction={fraction} brings "
            f"atoms closer than min_distance={shortest} of the sum of their "
            "covalent radii, whichever way they are turned: lower one of the two"
        )
    return bare(atoms, positions=atoms.positions + moves[0])


def random_displacements(
    reach: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """
    Draw displacements of isotropic direction and uniform magnitude.

    Parameters
    ----------
    reach
        Largest magnitudes in A, of any shape.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Displacements in A, shape (..., 3).
    """
    magnitudes = reach * rng.random(reach.shape)
    return magnitudes[..., None] * random_directions(reach.shape, rng)


def random_directions(
    shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw unit vectors, uniform on the sphere: normalised Gaussian triples."""
    vectors = rng.normal(size=(*shape, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def keep_atoms_apart(
    atoms: Atoms,
    moves: NDArray[np.float64],
    reach: float,
    min_distance: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """
    Turn displacements of a structure that bring its atoms too close.

    Parameters
    ----------
    atoms
        A structure of N atoms.
    moves
        Its displacements in n frames in A, shape (n, N, 3).
    reach
        Largest magnitude of them, in A.
    min_distance
        Shortest distance between two atoms, in sums of covalent radii.
    rng
        Source of randomness.

    Returns
    -------
    tuple
        What `keep_apart` returns.
    """
    radii = covalent_radii[atoms.numbers]
    pairs = find_pairs(atoms, min_distance * 2 * radii.max() + 2 * reach).half()
    floors = min_distance * (radii[pairs.first] + radii[pairs.second])
    vectors = np.broadcast_to(pairs.vectors, (len(moves), *pairs.vectors.shape))
    ends = (pairs.first, pairs.second)
    return keep_apart(moves, vectors, ends, floors[None], rng)


def keep_apart(
    moves: NDArray[np.float64],
    vectors: NDArray[np.float64],
    ends: tuple[NDArray[np.int64], NDArray[np.int64]],
    floors: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """
    Turn displacements that bring atoms too close.

    Only directions are drawn again, so that the distribution of magnitudes stays.

    Parameters
    ----------
    moves
        Displacements of N atoms in n frames in A, shape (n, N, 3).
    vectors
        Vectors from the first to the second atom of P pairs in A, before displacement,
        shape (n, P, 3).
    ends
        Indices of the first and of the second atoms of the pairs, each of shape (P,).
    floors
        Shortest distances allowed in A, shape (n, P) or (1, P).
    rng
        Source of randomness.

    Returns
    -------
    moves : numpy.ndarray
        The displacements, shape (n, N, 3).
    apart : numpy.ndarray
        Whether all pairs of a frame are apart, shape (n,).
    turned : int
        Number of displacements that were turned.
    """
    first, second = ends
    moves = moves.copy()
    floors = np.broadcast_to(floors, vectors.shape[:2])
    frames = np.arange(len(moves))
    turned = 0
    for _ in range(_TURNS):
        shifted = vectors[frames] + moves[frames][:, second] - moves[frames][:, first]
        close = (shifted**2).sum(axis=2) < floors[frames] ** 2
        frame, pair = np.nonzero(close)
        if not len(frame):
            return moves, np.ones(len(moves), dtype=bool), turned
        # One end of each pair: turning both would disturb twice as many others.
        end = np.where(rng.integers(2, size=len(pair)), first[pair], second[pair])
        atoms = np.zeros(moves.shape[:2], dtype=bool)
        atoms[frames[frame], end] = True
        lengths = np.linalg.norm(moves[atoms], axis=1)
        moves[atoms] = lengths[:, None] * random_directions(lengths.shape, rng)
        turned += len(lengths)
        frames = np.unique(frames[frame])
    apart = np.ones(len(moves), dtype=bool)
    apart[frames] = False
    return moves, apart, turned


def movable(atoms: Atoms, nearest: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the distances by which displacements are scaled.

    Parameters
    ----------
    atoms
        A structure of N atoms.
    nearest
        Distance of each atom to its nearest neighbour in A, shape (N,).

    Returns
    -------
    numpy.ndarray
        The same, but zero for atoms that have no neighbour, or only their own images.
    """
    if len(atoms) == 1:
        return np.zeros_like(nearest)
    return np.where(np.isfinite(nearest), nearest, 0.0)
