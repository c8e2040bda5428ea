"""Settings of the paper's runs, as keyword arguments of `AugmentationMaker`."""

from collections.abc import Sequence
from typing import Any

from flowpot.augmentation.kinds.alloy import Alloys
from flowpot.augmentation.kinds.cluster import Clusters
from flowpot.augmentation.kinds.distortion import Distortions
from flowpot.augmentation.kinds.slab import Slabs
from flowpot.augmentation.kinds.vacancy import Vacancies
from flowpot.augmentation.supercell import Supercells
from flowpot.validation import elements

PRESETS = ("carbon_exploration", "carbon_accuracy", "alloy_run", "smoke")
"""Names of the presets: each is a function of this module."""
ALIASES = {"fast_exploration": "carbon_exploration", "accuracy": "carbon_accuracy"}
"""Former names of the runs on carbon."""
_LARGE = Supercells(min_length=24.0, max_atoms=600)
_SEVEN = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 1))


def carbon_exploration() -> dict[str, Any]:
    """Return the paper's run A on carbon: large displacements, little strain."""
    return {
        **_carbon(),
        "distortion": Distortions(fraction=0.4, strain=(-0.2, 0.2), n_vacancies=2),
    }


def carbon_accuracy() -> dict[str, Any]:
    """Return the paper's run B on carbon: smaller displacements, more strain."""
    return {
        **_carbon(),
        "distortion": Distortions(fraction=0.3, strain=(-0.3, 0.6), n_vacancies=2),
    }


def alloy_run(
    alloy_species: Sequence[str], fixed_species: Sequence[str] = (), n_frames: int = 100
) -> dict[str, Any]:
    """
    Return the paper's alloy run: (W, Mo) on the metal sites of MTe2 monolayers.

    Parameters
    ----------
    alloy_species, fixed_species, n_frames
        As for `Alloys`.
    """
    elements(alloy_species=alloy_species, fixed_species=fixed_species)
    return {
        "alloys": Alloys(
            alloy_species=tuple(alloy_species),
            fixed_species=tuple(fixed_species),
            n_frames=n_frames,
        ),
        "substitution": None,
        "clusters": None,
        "slabs": None,
    }


def smoke() -> dict[str, Any]:
    """Return settings for a few small frames: minutes of DFT on a laptop."""
    return {
        "supercell": None,
        "distortion": Distortions(
            n_frames=18, fraction=0.15, strain=(-0.06, 0.06), vacancy_fraction=0.0
        ),
        "vacancies": Vacancies(n_frames=1, n_vacancies=1),
        "clusters": None,
        "slabs": None,
        "substitution": None,
    }


def _carbon() -> dict[str, Any]:
    """Return what runs A and B have in common."""
    return {
        "supercell": _LARGE,
        "clusters": Clusters(n_frames=80, max_atoms=30, distance=1.5),
        "slabs": Slabs(
            miller_indices=_SEVEN, min_thickness=10.0, max_atoms=600, min_length=24.0
        ),
        "vacuum": 15.0,
    }
