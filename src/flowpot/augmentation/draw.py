"""Draw strained, displaced and defective frames of one structure, many at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.augmentation.deformation import StrainMode, deformations
from flowpot.augmentation.displacement import (
    keep_apart,
    movable,
    random_displacements,
)
from flowpot.augmentation.generator import Frames
from flowpot.dataset import Dataset
from flowpot.dataset.geometry.neighbours import Pairs, find_pairs, nearest_distances

_ROUNDS = 20
"""How often rejected frames are drawn again, at most."""
_CHUNK = 100_000
"""Number of atoms handled at once, which bounds memory."""


@dataclass(frozen=True)
class Limits:
    """
    Limits of the displacements and strains of frames.

    Parameters
    ----------
    fraction
        Largest displacement, as a fraction of the distance to the nearest neighbour.
    strain
        Lowest and highest strain along periodic directions; None for none.
    strain_modes
        Kinds of strain, one of which is drawn for each frame.
    """

    fraction: float
    strain: tuple[float, float] | None
    strain_modes: tuple[StrainMode, ...]


@dataclass(frozen=True)
class Sites:
    """
    Which atoms are on the N sites of a structure, in each of n frames.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n, N).
    present
        Which sites have their atom, shape (n, N).
    scale
        Factor by which each frame is longer than the structure before it is strained,
        shape (n,).
    """

    numbers: NDArray[np.int64]
    present: NDArray[np.bool_]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: Atoms, n: int) -> "Sites":
        """Return the sites of n frames that have the atoms of a structure."""
        return cls(
            np.tile(atoms.numbers, (n, 1)),
            np.ones((n, len(atoms)), bool),
            np.ones(n),
        )

    @property
    def lost(self) -> NDArray[np.int64]:
        """Number of vacancies of each frame, shape (n,)."""
        return (~self.present).sum(axis=1)

    def __getitem__(self, frames: NDArray[np.int64]) -> "Sites":
        """Return the sites of some of the frames."""
        return Sites(self.numbers[frames], self.present[frames], self.scale[frames])


@dataclass(frozen=True)
class Drawn:
    """
    The frames that were accepted.

    Parameters
    ----------
    frames
        The frames.
    slots
        Index of each frame among those that were asked for.
    rejected
        Number of frames that were thrown away because atoms were too close.
    turned
        Number of displacements that were turned, in all frames drawn.
    """

    frames: Dataset
    slots: NDArray[np.int64]
    rejected: int
    turned: int


def draw_frames(
    atoms: Atoms,
    limits: Limits,
    sites: Sites,
    min_distance: float,
    rng: np.random.Generator,
) -> Drawn:
    """
    Draw frames of a structure until each is accepted, or give up on some.

    Parameters
    ----------
    atoms
        The structure, of N sites.
    limits
        Limits of displacements and strains.
    sites
        Which atoms are on the sites in each of the n frames.
    min_distance
        Shortest distance between two atoms, in sums of covalent radii.
    rng
        Source of randomness.
    """
    draw = _Draw(atoms, limits, min_distance, rng)
    size = max(1, _CHUNK // len(atoms))
    accepted: list[Dataset] = []
    slots: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    rejected = turned = 0
    n = len(sites.numbers)
    for start in range(0, n, size):
        waiting = np.arange(start, min(start + size, n))
        for _ in range(_ROUNDS):
            if not len(waiting):
                break
            frames, apart, turns = draw.frames(sites[waiting])
            dataset = frames.dataset()
            accepted.append(dataset if apart.all() else dataset[apart])
            slots.append(waiting[apart])
            waiting = waiting[~apart]
            rejected += len(waiting)
            turned += turns
    taken = np.concatenate(slots)
    order = np.argsort(taken, kind="stable")
    joined = Dataset.concatenate(accepted)
    if (np.diff(taken) < 0).any():
        joined = joined[order]
    return Drawn(joined, taken[order], rejected, turned)


@dataclass(frozen=True)
class _Draw:
    """What all draws of frames from one structure have in common."""

    atoms: Atoms
    limits: Limits
    min_distance: float
    rng: np.random.Generator

    def frames(self, sites: Sites) -> tuple[Frames, NDArray[np.bool_], int]:
        """Draw each frame once, tell which keep atoms apart, count turned moves."""
        atoms, limits, lost = self.atoms, self.limits, sites.lost
        n = len(lost)
        strains, modes, gradients = self._strains(n)
        gradients = sites.scale[:, None, None] * gradients
        moves, apart, turned = self._moves(gradients, sites.numbers, sites.present)
        types = np.where(
            lost > 0, "vacancy", "distorted" if limits.fraction else "strained"
        )
        info: dict[str, Any] = {
            "config_type": types.tolist(),
            "displacement_fraction": np.full(n, limits.fraction),
            "n_vacancies": lost,
        }
        if limits.strain is not None and atoms.pbc.any():
            info |= {"strain": strains, "strain_mode": modes}
        frames = Frames(
            numbers=sites.numbers,
            positions=atoms.positions @ gradients.transpose(0, 2, 1) + moves,
            cell=np.array(atoms.cell) @ gradients.transpose(0, 2, 1),
            pbc=atoms.pbc,
            info=info,
            present=sites.present,
            parent=atoms,
        )
        return frames, apart, turned

    def _strains(
        self, n: int
    ) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
        """Draw strains, their modes, and the deformation gradients."""
        cell, pbc, limits = np.array(self.atoms.cell), self.atoms.pbc, self.limits
        if limits.strain is None:
            return np.zeros(n), [], np.tile(np.eye(3), (n, 1, 1))
        # A wire cannot be sheared, and its isotropic strain is its uniaxial one.
        possible = limits.strain_modes if pbc.sum() > 1 else ("isotropic",)
        strains = self.rng.uniform(*limits.strain, size=n)
        drawn = self.rng.integers(len(possible), size=n)
        gradients = np.empty((n, 3, 3))
        for number, mode in enumerate(possible):
            of_mode = drawn == number
            gradients[of_mode] = deformations(
                cell, pbc, strains[of_mode], self.rng, mode
            )
        return strains, [possible[number] for number in drawn], gradients

    def _moves(
        self,
        gradients: NDArray[np.float64],
        numbers: NDArray[np.int64],
        present: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
        """Draw displacements, turned in another direction where atoms are too close."""
        fraction = self.limits.fraction
        radii = covalent_radii[numbers]
        pairs = self._pairs(gradients, radii.max())
        vectors = pairs.vectors @ gradients.transpose(0, 2, 1)
        lengths = np.linalg.norm(vectors, axis=2)
        reach = np.zeros(present.shape)
        if fraction and len(self.atoms) > 1:
            nearest = pairs.nearest(lengths)
            reach = fraction * np.where(np.isfinite(nearest), nearest, 0.0)
        both = present[:, pairs.first] & present[:, pairs.second]
        sums = radii[:, pairs.first] + radii[:, pairs.second]
        floors = np.where(both, self.min_distance * sums, 0.0)
        images = pairs.first == pairs.second  # of an atom, whose distance moves keep
        images_apart = (lengths[:, images] >= floors[:, images]).all(axis=1)
        half = pairs.first < pairs.second
        moves, apart, turned = keep_apart(
            random_displacements(reach, self.rng),
            vectors[:, half],
            (pairs.first[half], pairs.second[half]),
            floors[:, half],
            self.rng,
        )
        return moves, apart & images_apart, turned

    def _pairs(self, gradients: NDArray[np.float64], radius: float) -> Pairs:
        """Find every pair that strain and displacements may bring together."""
        stretch = np.linalg.svd(gradients, compute_uv=False)
        largest, smallest = stretch[:, 0], stretch[:, 2]
        nearest = movable(self.atoms, nearest_distances(self.atoms)).max()
        approach = (
            2 * self.min_distance * radius
            + 2 * self.limits.fraction * largest * nearest
        )
        cutoff = np.maximum(approach, largest * nearest) / smallest
        return find_pairs(self.atoms, 1.001 * float(cutoff.max()))
