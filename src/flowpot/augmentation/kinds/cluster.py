"""Random clusters of the inputs' elements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from flowpot.augmentation.displacement import random_directions
from flowpot.augmentation.generator import Batch, Generator, dataset_of
from flowpot.augmentation.inputs import Inputs
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.vacuum import add_vacuum
from flowpot.validation import complete, elements, positive, several, whole

_SPREAD = 3**0.5
"""Largest distance of a neighbour over the smallest, as in AiiDA-TrainsPot."""
_CANDIDATES = 64
"""Number of places tried at once for a new atom."""
_ROUNDS = 100
"""How often that many places are tried, at most."""


def cluster(
    species: Sequence[str],
    rng: np.random.Generator,
    *,
    n_atoms: int,
    distance: float | None = None,
    min_distance: float | None = None,
    vacuum: float = 15.0,
) -> Atoms:
    """
    Grow a random cluster, atom by atom.

    Parameters
    ----------
    species
        Symbols of the elements, all equally likely.
    rng
        Source of randomness.
    n_atoms
        Number of atoms.
    distance
        Shortest distance of an atom to its nearest neighbour, in A; the longest is
        sqrt(3) times as long. The AiiDA-TrainsPot paper has 1.5 A, for carbon. None for
        the sum of the covalent radii of each pair.
    min_distance
        Shortest distance allowed, as a fraction of the sum of covalent radii, which
        replaces `distance` for pairs of atoms where it is longer. None for the common
        limit.
    vacuum
        Vacuum around the cluster, in A.

    Returns
    -------
    Atoms
        The cluster, without periodic directions.

    Raises
    ------
    ValueError
        If `distance` is too short for one of the elements, or a parameter makes no
        sense.
    """
    elements(species=species)
    several(species=species)
    whole(1, n_atoms=n_atoms)
    positive(distance=distance)
    shortest = made_distance(min_distance)
    numbers = np.array([atomic_numbers[symbol] for symbol in species])
    numbers = rng.choice(numbers, size=n_atoms)
    positions = np.zeros((n_atoms, 3))
    for atom in range(1, n_atoms):
        # Shortest and longest distances from the earlier atoms (A).
        radii = covalent_radii[numbers[:atom]] + covalent_radii[numbers[atom]]
        base = radii if distance is None else np.full(atom, distance)
        inner, outer = np.maximum(base, shortest * radii), _SPREAD * base
        if (inner > outer).any():
            needed = shortest * radii.max() / _SPREAD
            raise ValueError(
                f"clusters: distance={distance} keeps no two of the atoms min_distance="
                f"{shortest} of the sum of their covalent radii apart: give distance="
                f"{needed:.2f} or more, or None for each pair's own"
            )
        positions[atom] = _place(positions[:atom], inner, outer, rng)
    return add_vacuum(Atoms(numbers, positions), vacuum)


def _place(
    positions: NDArray[np.float64],
    inner: NDArray[np.float64],
    outer: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Find a place in the shell of one atom and not too close to any."""
    for _ in range(_ROUNDS):
        anchors = rng.integers(len(positions), size=_CANDIDATES)
        # Uniform in the volume of the shell.
        low, high = inner[anchors] ** 3, outer[anchors] ** 3
        radius = np.cbrt(low + (high - low) * rng.random(_CANDIDATES))
        places = positions[anchors] + radius[:, None] * random_directions(
            (_CANDIDATES,), rng
        )
        gaps = np.linalg.norm(places[:, None] - positions, axis=2)
        free = np.flatnonzero((gaps >= inner).all(axis=1))
        if len(free):
            return np.asarray(places[free[0]])
    raise RuntimeError(f"no place found for atom {len(positions)} of a cluster")


@dataclass(frozen=True)
class Clusters(Generator):
    """
    Random clusters of the inputs' elements.

    Parameters
    ----------
    n_frames
        Number of clusters in all.
    max_atoms, min_atoms
        Largest and smallest number of atoms, between which sizes are uniform.
    distance
        Shortest distance of an atom to its nearest neighbour, in A; the longest is
        sqrt(3) times as long. The AiiDA-TrainsPot paper has 1.5 A, for carbon. None for
        the sum of the covalent radii of each pair.
    """

    n_frames: int = 20
    max_atoms: int = 10
    min_atoms: int = 2
    distance: float | None = None

    kind: ClassVar[str] = "cluster"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        whole(1, n_frames=self.n_frames)
        whole(2, min_atoms=self.min_atoms)
        whole(self.min_atoms, max_atoms=self.max_atoms)
        positive(distance=self.distance)

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the clusters."""
        rng = inputs.rng(self.kind)
        clusters = [
            cluster(
                inputs.species,
                rng,
                n_atoms=int(rng.integers(self.min_atoms, self.max_atoms + 1)),
                distance=self.distance,
                min_distance=inputs.min_distance,
                vacuum=inputs.vacuum,
            )
            for _ in range(self.n_frames)
        ]
        distance = np.nan if self.distance is None else self.distance
        yield Batch(
            dataset_of(
                inputs.of_elements(clusters), self.kind, cluster_distance=distance
            ),
            (self.kind,),
        )
