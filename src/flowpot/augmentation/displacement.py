"""Random displacements, in proportion to the distance of the nearest neighbour."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.augmentation.neighbours import nearest_distances
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.neighbours import find_pairs
from flowpot.validation import at_least
from flowpot.validation import fraction as check_fraction

_TURNS = 200
"""How often the displacements of atoms that came too close are turned, at most."""


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
        Where the randomness comes from.
    fraction
        Magnitudes are uniform up to this fraction of the atom's own distance to its
        nearest neighbour; directions are isotropic.
    min_distance
        Shortest distance allowed between two atoms, as a fraction of the sum of their
        covalent radii. The displacements of atoms that come closer are turned in
        another direction; 0 allows everything, None is the common limit.

    Returns
    -------
    Atoms
        A displaced copy. An atom without a neighbour, or whose only neighbours are
        its own images, stays: moving it would move the whole.

    Raises
    ------
    ValueError
        Where no directions are found that keep atoms apart.
    """
    check_fraction(fraction=fraction)
    at_least(0, min_distance=min_distance)
    shortest = made_distance(min_distance)
    reach = fraction * movable(atoms, nearest_distances(atoms))
    radii = covalent_radii[atoms.numbers]
    pairs = find_pairs(atoms, shortest * 2 * radii.max() + 2 * reach.max()).half()
    floors = shortest * (radii[pairs.first] + radii[pairs.second])
    moves, apart, _ = keep_apart(
        random_displacements(reach[None], rng),
        pairs.vectors[None],
        (pairs.first, pairs.second),
        floors[None],
        rng,
    )
    if not apart.all():
        raise ValueError(
            f"displacing {atoms.get_chemical_formula()} by fraction={fraction} brings "
            f"atoms closer than min_distance={shortest} of the sum of their "
            "covalent radii, whichever way they are turned: lower one of the two"
        )
    displaced = atoms.copy()
    displaced.calc = None
    displaced.positions += moves[0]
    return displaced


def random_displacements(
    reach: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """
    Draw displacements of isotropic direction and uniform magnitude.

    Parameters
    ----------
    reach
        Largest magnitudes, any shape, in A.
    rng
        Where the randomness comes from.

    Returns
    -------
    numpy.ndarray
        Shape (..., 3), in A.
    """
    magnitudes = reach * rng.random(reach.shape)
    return magnitudes[..., None] * random_directions(reach.shape, rng)


def random_directions(
    shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw unit vectors, uniform on the sphere: normalised Gaussian triples."""
    vectors = rng.normal(size=(*shape, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def keep_apart(
    moves: NDArray[np.float64],
    vectors: NDArray[np.float64],
    ends: tuple[NDArray[np.int64], NDArray[np.int64]],
    floors: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """
    Turn displacements that bring atoms too close.

    Only directions are drawn again, so that magnitudes stay distributed as they were.

    Parameters
    ----------
    moves
        Displacements of N atoms in n frames, shape (n, N, 3), in A.
    vectors
        From the first to the second atom of P pairs, before displacement, shape
        (n, P, 3), in A.
    ends
        First and second atoms of the pairs, shape (P,) each.
    floors
        Shortest distances allowed, shape (n, P) or (1, P), in A.
    rng
        Where the randomness comes from.

    Returns
    -------
    tuple
        The displacements, whether each frame keeps all its pairs apart, (n,), and how
        many displacements were turned.
    """
    first, second = ends
    moves = moves.copy()
    floors = np.broadcast_to(floors, vectors.shape[:2])
    frames = np.arange(len(moves))
    turned = 0
    for _ in range(_TURNS):
        shifted = vectors[frames] + moves[frames][:, second] - moves[frames][:, first]
        close = (shifted**2).sum(axis=2) < floors[frames] ** 2
        which, pair = np.nonzero(close)
        if not len(which):
            return moves, np.ones(len(moves), dtype=bool), turned
        # One end of each pair: turning both would disturb twice as many others.
        end = np.where(rng.integers(2, size=len(pair)), first[pair], second[pair])
        atoms = np.zeros(moves.shape[:2], dtype=bool)
        atoms[frames[which], end] = True
        lengths = np.linalg.norm(moves[atoms], axis=1)
        moves[atoms] = lengths[:, None] * random_directions(lengths.shape, rng)
        turned += len(lengths)
        frames = np.unique(frames[which])
    apart = np.ones(len(moves), dtype=bool)
    apart[frames] = False
    return moves, apart, turned


def movable(atoms: Atoms, nearest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set to zero the reach of an atom that has no neighbour but its own images."""
    if len(atoms) == 1:
        return np.zeros_like(nearest)
    return np.where(np.isfinite(nearest), nearest, 0.0)
