"""Dimer curves: two atoms at distances from repulsion to dissociation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from flowpot.augmentation.generator import Batch, Generator, dataset_of
from flowpot.augmentation.inputs import Inputs
from flowpot.dataset.geometry.vacuum import add_vacuum
from flowpot.validation import complete, elements, positive, several, whole


def dimer_curve(
    pair: tuple[str, str],
    *,
    n_points: int = 15,
    shortest: float = 0.7,
    longest: float = 3.0,
    vacuum: float = 15.0,
) -> list[Atoms]:
    """
    Return two atoms at distances from short to long.

    Parameters
    ----------
    pair
        Symbols of the two elements.
    n_points
        Number of distances, in geometric progression: dense where the energy is steep.
    shortest, longest
        First and last distance, in sums of the covalent radii.
    vacuum
        Vacuum around the dimer, in A.

    Returns
    -------
    list of Atoms
        A dimer for each distance.

    Raises
    ------
    ValueError
        If `pair` is no two elements, there are fewer than two points, or the distances
        do not ascend.
    """
    several(pair=pair)
    for symbol in pair:
        elements(pair=[symbol])
    if len(pair) != 2:  # noqa: PLR2004
        raise ValueError(f"pair is {pair!r}: name two elements, which may be the same")
    whole(2, n_points=n_points)
    positive(shortest=shortest, longest=longest, vacuum=vacuum)
    if not longest > shortest:
        raise ValueError(f"longest is {longest}: it must be above shortest={shortest}")
    radii = sum(covalent_radii[atomic_numbers[symbol]] for symbol in pair)
    return [
        add_vacuum(Atoms(list(pair), [[0, 0, 0], [0, 0, distance]]), vacuum)
        for distance in radii * np.geomspace(shortest, longest, n_points)
    ]


@dataclass(frozen=True)
class Dimers(Generator):
    """
    Dimer curves of every pair of the inputs' elements.

    Parameters
    ----------
    n_points
        Number of distances, in geometric progression.
    shortest, longest
        First and last distance, in sums of the covalent radii.
    """

    n_points: int = 15
    shortest: float = 0.7
    longest: float = 3.0

    kind: ClassVar[str] = "dimer"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        dimer_curve(
            ("H", "H"),
            n_points=self.n_points,
            shortest=self.shortest,
            longest=self.longest,
        )

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make a curve for each pair of elements."""
        if self.shortest < inputs.min_distance:
            raise ValueError(
                f"dimers: shortest={self.shortest} is below min_distance="
                f"{inputs.min_distance}: raise the one or lower the other"
            )
        for pair in combinations_with_replacement(inputs.species, 2):
            curve = dimer_curve(
                pair,
                n_points=self.n_points,
                shortest=self.shortest,
                longest=self.longest,
                vacuum=inputs.vacuum,
            )
            lengths = [float(atoms.get_distance(0, 1)) for atoms in curve]
            frames = dataset_of(
                inputs.of_elements(curve), self.kind, dimer_distance=lengths
            )
            yield Batch(frames, (self.kind, *pair))
