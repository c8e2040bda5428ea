"""One distortion at a time: strain alone, vacancies alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.augmentation.deformation import STRAIN_MODES, StrainMode
from flowpot.augmentation.distortion import Distortions, distorted
from flowpot.augmentation.draw import Sites
from flowpot.augmentation.generator import (
    Batch,
    Inputs,
    Parent,
    ParentGenerator,
    dataset_of,
)
from flowpot.augmentation.vacancy import (
    cannot_lose,
    distinct_vacancies,
    removable,
    vacancy_counts,
)


@dataclass(frozen=True)
class Strains(ParentGenerator):
    """
    Strained structures, otherwise perfect: an equation of state, elastic constants.

    Parameters
    ----------
    n_frames
        Frames per input structure.
    limits
        Strains are uniform between these, along periodic directions only.
    modes
        Kinds of strain, one drawn for each frame: isotropic, uniaxial, shear.
    """

    n_frames: int = 10
    limits: tuple[float, float] = (-0.1, 0.1)
    modes: tuple[StrainMode, ...] = STRAIN_MODES

    kind: ClassVar[str] = "strained"

    def __post_init__(self) -> None:
        """Check the parameters."""
        object.__setattr__(self, "limits", tuple(self.limits))
        object.__setattr__(self, "modes", tuple(self.modes))
        self._plan()

    def _plan(self) -> Distortions:
        return Distortions(self.n_frames, 0.0, self.limits, self.modes, 0.0)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one parent."""
        return distorted(parent, self._plan(), inputs.min_distance, rng)


@dataclass(frozen=True)
class Vacancies(ParentGenerator):
    """
    Structures that lack atoms, otherwise perfect or nearly so.

    Of vacancies that the structure's symmetry makes the same one is made. Molecules,
    which no direction repeats, have none.

    Parameters
    ----------
    n_frames
        Frames per input structure: fewer where there are fewer distinct vacancies and
        `fraction` is 0; otherwise each is displaced several times.
    n_vacancies
        Atoms that each frame lacks: a number, or several, of which the smallest comes
        first.
    fraction
        Largest displacement, as in `Distortions`; 0 for none.
    vacancy_species
        Elements of the atoms that they lack; None: any.
    """

    n_frames: int = 1
    n_vacancies: int | tuple[int, ...] = 1
    fraction: float = 0.0
    vacancy_species: tuple[str, ...] | None = None

    kind: ClassVar[str] = "vacancy"

    def __post_init__(self) -> None:
        """Check the parameters."""
        plan = self._plan(self.n_frames)
        object.__setattr__(self, "n_vacancies", plan.n_vacancies)
        object.__setattr__(self, "vacancy_species", plan.vacancy_species)

    def _plan(self, n_frames: int) -> Distortions:
        return Distortions(
            n_frames=n_frames,
            fraction=self.fraction,
            strain=None,
            vacancy_fraction=1.0,
            n_vacancies=self.n_vacancies,
            vacancy_species=self.vacancy_species,
        )

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one parent."""
        present, notes = self._present(parent.supercell, rng)
        notes = [f"{parent.label}: {note}" for note in notes]
        if not len(present):
            return Batch(dataset_of([], self.kind), notes=tuple(notes))
        sites = replace(Sites.of(parent.supercell, len(present)), present=present)
        plan = self._plan(len(present))
        batch = distorted(parent, plan, inputs.min_distance, rng, sites)
        return replace(batch, notes=(*notes, *batch.notes))

    def _present(
        self, atoms: Atoms, rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], list[str]]:
        """Choose the atoms that stay in each frame, shape (n, N)."""
        nothing = np.ones((0, len(atoms)), bool)
        if not atoms.pbc.any():
            return nothing, ["no vacancies, since it is a molecule"]
        eligible = removable(atoms.numbers, self.vacancy_species)
        counts = vacancy_counts(self.n_vacancies)
        present = distinct_vacancies(atoms, eligible, counts, self.n_frames, rng)
        if not len(present):
            reason = cannot_lose(len(atoms), counts, self.vacancy_species)
            return nothing, [f"no vacancies, since {reason}"]
        if self.fraction:
            return present[np.arange(self.n_frames) % len(present)], []
        if len(present) == self.n_frames:
            return present, []
        few = f"{len(present)} frames with vacancies instead of {self.n_frames}: "
        return present, [few + "no others were found that differ by symmetry"]
