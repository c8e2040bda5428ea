"""One distortion at a time: strain alone, vacancies alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flowpot.augmentation.deformation import STRAIN_MODES, StrainMode
from flowpot.augmentation.distortion import Distortions, distorted
from flowpot.augmentation.generator import Batch, Inputs, Parent, ParentGenerator


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

    Parameters
    ----------
    n_frames
        Frames per input structure.
    n_vacancies
        Atoms that each frame lacks.
    fraction
        Largest displacement, as in `Distortions`; 0 for none.
    """

    n_frames: int = 1
    n_vacancies: int = 1
    fraction: float = 0.0

    kind: ClassVar[str] = "vacancy"

    def __post_init__(self) -> None:
        """Check the parameters."""
        self._plan()

    def _plan(self) -> Distortions:
        return Distortions(
            n_frames=self.n_frames,
            fraction=self.fraction,
            strain=None,
            vacancy_fraction=1.0,
            n_vacancies=self.n_vacancies,
        )

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one parent."""
        return distorted(parent, self._plan(), inputs.min_distance, rng)
