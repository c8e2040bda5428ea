"""Frames that are strained, displaced and defective at once."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from flowpot.augmentation.deformation import (
    STRAIN_MODES,
    StrainMode,
    check_strain_limits,
    deformations,
)
from flowpot.augmentation.displacement import (
    keep_apart,
    movable,
    random_displacements,
)
from flowpot.augmentation.generator import (
    Batch,
    Frames,
    Inputs,
    Parent,
    ParentGenerator,
)
from flowpot.augmentation.neighbours import Pairs, find_pairs, nearest_distances
from flowpot.augmentation.vacancy import present_atoms
from flowpot.augmentation.validation import at_least, fraction, one_of
from flowpot.dataset import Dataset

_ROUNDS = 20
"""How often frames that were rejected are drawn anew."""
_CHUNK = 200_000
"""Atoms handled at once: bounds memory."""


@dataclass(frozen=True)
class Distortions(ParentGenerator):
    """
    Random distortions: strain, displacements and vacancies in the same frames.

    Parameters
    ----------
    n_frames
        Frames per input structure.
    fraction
        Displacements are uniform up to this fraction of the atom's own distance to its
        nearest neighbour, in isotropic directions; 0 for none.
    strain
        Strains are uniform between these, along periodic directions only; None for
        none.
    strain_modes
        Kinds of strain, one drawn for each frame: isotropic, uniaxial, shear.
    vacancy_fraction
        Share of the frames that have vacancies.
    n_vacancies
        Atoms that each of these lacks.
    """

    n_frames: int = 50
    fraction: float = 0.3
    strain: tuple[float, float] | None = (-0.2, 0.6)
    strain_modes: tuple[StrainMode, ...] = ("isotropic",)
    vacancy_fraction: float = 0.3
    n_vacancies: int = 2

    kind: ClassVar[str] = "distorted"

    def __post_init__(self) -> None:
        """Check the parameters."""
        at_least(1, n_frames=self.n_frames, n_vacancies=self.n_vacancies)
        fraction(fraction=self.fraction, vacancy_fraction=self.vacancy_fraction)
        object.__setattr__(self, "strain_modes", tuple(self.strain_modes))
        if self.strain is not None:
            object.__setattr__(self, "strain", tuple(self.strain))
            check_strain_limits(self.strain)
            for mode in self.strain_modes or ("",):
                one_of(STRAIN_MODES, strain_modes=mode)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one parent."""
        return distorted(parent, self, inputs.min_distance, rng)


def distorted(
    parent: Parent, plan: Distortions, min_distance: float, rng: np.random.Generator
) -> Batch:
    """
    Make the frames that a plan asks for.

    Parameters
    ----------
    parent
        What they are made of: its supercell.
    plan
        How.
    min_distance
        Shortest distance between two atoms, in sums of covalent radii.
    rng
        Where the randomness comes from.

    Raises
    ------
    ValueError
        Where no frame at all keeps its atoms apart.
    """
    atoms = parent.supercell
    notes = []
    defective = np.zeros(plan.n_frames, dtype=bool)
    wanted = round(plan.n_frames * plan.vacancy_fraction)
    if wanted and len(atoms) <= plan.n_vacancies:
        notes.append(
            f"{parent.label}: no vacancies, since {len(atoms)} atoms cannot lose "
            f"{plan.n_vacancies}"
        )
        wanted = 0
    defective[rng.permutation(plan.n_frames)[:wanted]] = True
    if not (atoms.pbc.any() and plan.strain) and not (plan.fraction and len(atoms) > 1):
        notes.append(f"{parent.label}: neither strain nor displacements change it")
        defective = defective[defective]
    made, rejected = [], 0
    size = max(1, _CHUNK // len(atoms))
    for start in range(0, len(defective), size):
        chunk = defective[start : start + size]
        frames, thrown = _chunk(atoms, plan, chunk, min_distance, rng)
        made += frames
        rejected += thrown
    lost = len(defective) - sum(len(each) for each in made)
    if lost and lost == len(defective):
        raise ValueError(
            f"{parent.label}: none of {rejected} distorted frames keeps its atoms "
            f"min_distance={min_distance} of the sum of their covalent radii apart "
            f"with strain={plan.strain} and fraction={plan.fraction}: compress or "
            "displace less, or lower min_distance"
        )
    if lost:
        notes.append(
            f"{parent.label}: {lost} distorted frames are missing, {rejected} were "
            "rejected for atoms too close"
        )
    return Batch(Dataset.concatenate(made), rejected=rejected, notes=tuple(notes))


def _chunk(
    atoms: Atoms,
    plan: Distortions,
    defective: NDArray[np.bool_],
    min_distance: float,
    rng: np.random.Generator,
) -> tuple[list[Dataset], int]:
    """Draw frames until each is accepted, or give up on some."""
    made, rejected = [], 0
    for _ in range(_ROUNDS):
        if not len(defective):
            break
        frames, apart = _Draw(atoms, plan, min_distance, rng).frames(defective)
        made.append(frames.dataset()[apart] if not apart.all() else frames.dataset())
        defective = defective[~apart]
        rejected += len(defective)
    return made, rejected


@dataclass(frozen=True)
class _Draw:
    """One draw of frames from a structure."""

    atoms: Atoms
    plan: Distortions
    min_distance: float
    rng: np.random.Generator

    def frames(self, defective: NDArray[np.bool_]) -> tuple[Frames, NDArray[np.bool_]]:
        """Draw a frame for each flag, and say which keep their atoms apart."""
        atoms, plan = self.atoms, self.plan
        n = len(defective)
        amounts, modes, gradients = self._strains(n)
        present = np.ones((n, len(atoms)), dtype=bool)
        present[defective] = present_atoms(
            int(defective.sum()), len(atoms), plan.n_vacancies, self.rng
        )
        moves, apart = self._moves(gradients, present)
        types = np.where(
            defective, "vacancy", "distorted" if plan.fraction else "strained"
        )
        info: dict[str, Any] = {
            "config_type": types.tolist(),
            "displacement_fraction": np.full(n, plan.fraction),
            "n_vacancies": np.where(defective, plan.n_vacancies, 0),
        }
        if plan.strain is not None and atoms.pbc.any():
            info |= {"strain": amounts, "strain_mode": modes}
        strained = atoms.positions @ gradients.transpose(0, 2, 1)
        cell = np.array(atoms.cell) @ gradients.transpose(0, 2, 1)
        frames = Frames(atoms.numbers, strained + moves, cell, atoms.pbc, info, present)
        return frames, apart

    def _strains(
        self, n: int
    ) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
        """Draw strains, their modes, and the deformation gradients."""
        cell, pbc, plan = np.array(self.atoms.cell), self.atoms.pbc, self.plan
        if plan.strain is None:
            return np.zeros(n), [], np.tile(np.eye(3), (n, 1, 1))
        # A wire cannot be sheared: its two ways of straining are the same one.
        possible = plan.strain_modes if pbc.sum() > 1 else ("isotropic",)
        amounts = self.rng.uniform(*plan.strain, size=n)
        drawn = self.rng.integers(len(possible), size=n)
        gradients = np.empty((n, 3, 3))
        for number, mode in enumerate(possible):
            these = drawn == number
            gradients[these] = deformations(cell, pbc, amounts[these], self.rng, mode)
        return amounts, [possible[k] for k in drawn], gradients

    def _moves(
        self, gradients: NDArray[np.float64], present: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Draw displacements, turned where atoms came too close."""
        pairs = self._pairs(gradients)
        vectors = pairs.vectors @ gradients.transpose(0, 2, 1)
        lengths = np.linalg.norm(vectors, axis=2)
        reach = np.zeros(present.shape)
        if self.plan.fraction and len(self.atoms) > 1:
            nearest = pairs.nearest(lengths)
            reach = self.plan.fraction * np.where(np.isfinite(nearest), nearest, 0.0)
        radii = covalent_radii[self.atoms.numbers]
        floors = self.min_distance * (radii[pairs.first] + radii[pairs.second])
        own = pairs.first == pairs.second
        apart = (lengths[:, own] >= floors[own]).all(axis=1)
        half = pairs.first < pairs.second
        first, second = pairs.first[half], pairs.second[half]
        both = present[:, first] & present[:, second]
        moves, separate = keep_apart(
            random_displacements(reach, self.rng),
            vectors[:, half],
            (first, second),
            np.where(both, floors[half], 0.0),
            self.rng,
        )
        return moves, apart & separate

    def _pairs(self, gradients: NDArray[np.float64]) -> Pairs:
        """Find every pair that strain and displacements may bring together."""
        stretch = np.linalg.svd(gradients, compute_uv=False)
        largest, smallest = stretch[:, 0], stretch[:, 2]
        nearest = movable(self.atoms, nearest_distances(self.atoms)).max()
        floor = self.min_distance * 2 * covalent_radii[self.atoms.numbers].max()
        approach = floor + 2 * self.plan.fraction * largest * nearest
        cutoff = np.maximum(approach, largest * nearest) / smallest
        return find_pairs(self.atoms, 1.001 * float(cutoff.max()))
