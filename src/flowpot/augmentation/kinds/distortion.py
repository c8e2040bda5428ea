"""Frames that are strained, displaced and defective at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from flowpot.augmentation.deformation import (
    STRAIN_MODES,
    StrainMode,
    check_strain,
)
from flowpot.augmentation.draw import Limits, Sites, draw_frames
from flowpot.augmentation.generator import Batch, ParentGenerator
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.augmentation.removal import (
    cannot_lose,
    check_species,
    draw_counts,
    present_atoms,
    removable,
    vacancy_counts,
)
from flowpot.validation import complete, fraction, some_of, whole


@dataclass(frozen=True)
class Distortions(ParentGenerator):
    """
    Random distortions: strain, displacements and vacancies in the same frames.

    Parameters
    ----------
    n_frames
        Number of frames per input structure.
    fraction
        Largest displacement of an atom, as a fraction of the distance to its nearest
        neighbour. Magnitudes are uniform up to it, directions isotropic; 0 for none.
    strain
        Lowest and highest strain, between which strains are uniform, along periodic
        directions only; None for none.
    strain_modes
        Kinds of strain, one of which is drawn for each frame: isotropic, uniaxial,
        shear.
    vacancy_fraction
        Share of the frames that have vacancies.
    n_vacancies
        Number of atoms that such a frame lacks, or several numbers, one of which is
        drawn for each frame. Molecules lose no atoms.
    vacancy_species
        Elements of the atoms that may be removed; None for any.
    """

    n_frames: int = 50
    fraction: float = 0.3
    strain: tuple[float, float] | None = (-0.2, 0.6)
    strain_modes: tuple[StrainMode, ...] = ("isotropic",)
    vacancy_fraction: float = 0.3
    n_vacancies: int | tuple[int, ...] = (1, 2)
    vacancy_species: tuple[str, ...] | None = None

    kind: ClassVar[str] = "distorted"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        whole(1, n_frames=self.n_frames)
        vacancy_counts(self.n_vacancies)
        check_species(self.vacancy_species)
        fraction(fraction=self.fraction, vacancy_fraction=self.vacancy_fraction)
        check_strain(strain=self.strain)
        some_of(STRAIN_MODES, strain_modes=self.strain_modes)
        for name in ("n_vacancies", "vacancy_species", "strain", "strain_modes"):
            value = getattr(self, name)
            if not isinstance(value, Real | None):
                object.__setattr__(self, name, tuple(value))

    def changes(self, n_atoms: int, *, periodic: bool) -> bool:
        """
        Tell whether strain or displacements change a structure.

        Parameters
        ----------
        n_atoms
            Number of its atoms: a single one is not displaced.
        periodic
            Whether any of its directions is periodic: a molecule is not strained.
        """
        strained = self.strain not in (None, (0.0, 0.0)) and periodic
        return strained or (self.fraction > 0 and n_atoms > 1)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one input."""
        return distorted(parent, self, inputs.min_distance, rng)


@dataclass(frozen=True)
class Strains(ParentGenerator):
    """
    Strained structures, otherwise perfect: for equations of state, elastic constants.

    Parameters
    ----------
    n_frames
        Number of frames per input structure.
    limits
        Lowest and highest strain, between which strains are uniform, along periodic
        directions only.
    modes
        Kinds of strain, one of which is drawn for each frame: isotropic, uniaxial,
        shear.
    """

    n_frames: int = 10
    limits: tuple[float, float] = (-0.1, 0.1)
    modes: tuple[StrainMode, ...] = STRAIN_MODES

    kind: ClassVar[str] = "strained"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        whole(1, n_frames=self.n_frames)
        check_strain(limits=self.limits)
        some_of(STRAIN_MODES, modes=self.modes)
        object.__setattr__(self, "limits", tuple(self.limits))
        object.__setattr__(self, "modes", tuple(self.modes))

    def _plan(self) -> Distortions:
        return Distortions(self.n_frames, 0.0, self.limits, self.modes, 0.0)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one input."""
        return distorted(parent, self._plan(), inputs.min_distance, rng)


def distorted(
    parent: Parent,
    plan: Distortions,
    min_distance: float,
    rng: np.random.Generator,
    sites: Sites | None = None,
    info: Mapping[str, Any] | None = None,
) -> Batch:
    """
    Make distorted frames of one input.

    Parameters
    ----------
    parent
        The input, of whose supercell the frames are made.
    plan
        How the frames are distorted, and their number n.
    min_distance
        Shortest distance between two atoms, in sums of covalent radii.
    rng
        Source of randomness.
    sites
        Which atoms are on the sites of each of the n frames; None for the input's. If
        no atom is missing, some are removed as the plan says.
    info
        Further columns of metadata, each of length n.

    Returns
    -------
    Batch
        The frames without their source; fewer than n, and a note, where atoms came too
        close.
    """
    atoms = parent.supercell
    notes: list[str] = []
    slots = np.arange(plan.n_frames)
    atoms_as_given = sites is None
    sites = sites or Sites.of(atoms, plan.n_frames)
    if sites.present.all():
        sites, notes = _with_vacancies(sites, plan, atoms, rng)
    if atoms_as_given and not plan.changes(len(atoms), periodic=bool(atoms.pbc.any())):
        slots = np.flatnonzero(sites.lost > 0)
        if len(slots) < plan.n_frames:
            notes.append("neither strain nor displacements change it")
    limits = Limits(plan.fraction, plan.strain, plan.strain_modes)
    drawn = draw_frames(atoms, limits, sites[slots], min_distance, rng)
    missing = len(slots) - len(drawn.slots)
    if missing and missing == len(slots):
        notes.append(
            f"none of {drawn.rejected} frames keeps its atoms "
            f"min_distance={min_distance} of the sum of their covalent radii apart "
            f"with strain={plan.strain} and fraction={plan.fraction}: compress or "
            "displace less, or lower min_distance"
        )
    elif missing:
        notes.append(f"{missing} distorted frames are missing: atoms came too close")
    kept = slots[drawn.slots]
    frames = drawn.frames
    if len(kept):
        columns = {
            name: [values[slot] for slot in kept]
            for name, values in (info or {}).items()
        }
        frames = frames.with_info(**columns)
    labelled = tuple(f"{parent.label}: {note}" for note in notes)
    return Batch(frames, rejected=drawn.rejected, turned=drawn.turned, notes=labelled)


def _with_vacancies(
    sites: Sites, plan: Distortions, atoms: Atoms, rng: np.random.Generator
) -> tuple[Sites, list[str]]:
    """Remove atoms from the share of frames that a plan says; note what failed."""
    wanted = round(plan.n_frames * plan.vacancy_fraction)
    if not wanted:
        return sites, []
    if not atoms.pbc.any():
        return sites, ["no vacancies, since it is a molecule"]
    counts = vacancy_counts(plan.n_vacancies)
    eligible = removable(sites.numbers, plan.vacancy_species)
    lost = draw_counts(eligible, counts, wanted, rng)
    notes = []
    if (lost > 0).sum() < wanted:
        reason = cannot_lose(len(atoms), counts, plan.vacancy_species)
        missing = wanted - int((lost > 0).sum())
        notes.append(f"{missing} frames have no vacancies, since {reason}")
    return replace(sites, present=present_atoms(eligible, lost, rng)), notes
