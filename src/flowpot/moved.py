"""
Old addresses of classes and job functions, for what is stored under them.

Jobs and documents keep the module of their class. When a class moves, a line here
lets the stores of earlier versions be read, and their campaigns go on.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

MOVED: dict[str, dict[str, str]] = {
    # augmentation
    "flowpot.augmentation.alloy": {"Alloys": "flowpot.augmentation.kinds.alloy"},
    "flowpot.augmentation.cluster": {"Clusters": "flowpot.augmentation.kinds.cluster"},
    "flowpot.augmentation.dimer": {"Dimers": "flowpot.augmentation.kinds.dimer"},
    "flowpot.augmentation.distortion": {
        "Distortions": "flowpot.augmentation.kinds.distortion"
    },
    "flowpot.augmentation.document": {"AugmentationDoc": "flowpot.augmentation.makers"},
    "flowpot.augmentation.random_structure": {
        "RandomStructures": "flowpot.augmentation.kinds.random_structure"
    },
    "flowpot.augmentation.single": {
        "Strains": "flowpot.augmentation.kinds.distortion",
        "Vacancies": "flowpot.augmentation.kinds.vacancy",
    },
    "flowpot.augmentation.slab": {"Slabs": "flowpot.augmentation.kinds.slab"},
    "flowpot.augmentation.substitution": {
        "Substitution": "flowpot.augmentation.kinds.substitution"
    },
    "flowpot.augmentation.thermal": {
        "ThermalDisplacements": "flowpot.augmentation.kinds.thermal"
    },
    # campaign
    "flowpot.campaign.indexed_store": {
        "IndexedMontyStore": "flowpot.campaign.local.indexed_store"
    },
    "flowpot.campaign.ledger": {"Ledger": "flowpot.campaign.state"},
    "flowpot.campaign.plan": {
        "DryRun": "flowpot.campaign.estimate",
        "PlannedStage": "flowpot.campaign.planned",
    },
    # dataset
    # evaluation
    "flowpot.evaluation.error_model": {"ErrorModel": "flowpot.evaluation.model"},
    # exploration
    "flowpot.exploration.lammps.conditions": {
        "Conditions": "flowpot.exploration.conditions"
    },
    "flowpot.exploration.lammps.sanity": {"SanityLimits": "flowpot.exploration.sanity"},
    # labelling
    "flowpot.labelling.espresso.metadata": {
        "StructureMetadata": "flowpot.labelling.espresso.document",
        "SymmetryData": "flowpot.labelling.espresso.document",
    },
    # potentials
    "flowpot.potentials.load": {"calculator": "flowpot.potentials.registry"},
    # training
    "flowpot.training.committee_makers": dict.fromkeys(
        ("CommitteeTrainingMaker", "_collect_committee"), "flowpot.training.committee"
    ),
}
"""Modules that are gone: the names that they had, and the module of each today."""


def install() -> None:
    """
    Let Python find the modules that are gone.

    They are made at once, since a module that is imported later becomes an attribute of
    its package, where a function may have its name (``flowpot.augmentation.alloy``).
    """
    for name, homes in MOVED.items():
        sys.modules.setdefault(name, _module(name, homes))


def _module(name: str, homes: Mapping[str, str]) -> ModuleType:
    """Return a module that looks its names up where they are now."""
    module = ModuleType(name, "A module that is gone: see flowpot.moved.")

    def find(attribute: str) -> Any:
        if attribute not in homes:
            raise AttributeError(f"{name} had no {attribute!r}")
        return getattr(import_module(homes[attribute]), attribute)

    module.__getattr__ = find  # type: ignore[method-assign]
    return module
