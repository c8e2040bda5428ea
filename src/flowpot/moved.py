"""
Old addresses of classes and job functions, for what is stored under them.

Jobs and documents keep the module of their class. When a class moves, a line here
lets the stores of earlier versions be read, and their campaigns go on.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED: dict[str, dict[str, str]] = {
    # augmentation
    # campaign
    "flowpot.campaign.indexed_store": {
        "IndexedMontyStore": "flowpot.campaign.local.indexed_store"
    },
    "flowpot.campaign.ledger": {"Ledger": "flowpot.campaign.state"},
    "flowpot.campaign.plan": {
        "DryRun": "flowpot.campaign.estimate",
        "PlannedStage": "flowpot.campaign.estimate",
    },
    # dataset
    # evaluation
    # exploration
    # labelling
    # potentials
    # training
}
"""Modules that are gone: the names that they had, and the module of each today."""


class _MovedModules:
    """Finds a module that is gone: one whose names are those of today's modules."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG004 - importlib's signature
        target: ModuleType | None = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Return how a module that is gone is made, None for any other module."""
        return ModuleSpec(name, _MovedModules) if name in MOVED else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Leave the module's creation to importlib."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Let the module look its names up where they are now."""
        homes = MOVED[module.__name__]

        def find(name: str) -> Any:
            if name not in homes:
                raise AttributeError(f"{module.__name__} had no {name!r}")
            return getattr(import_module(homes[name]), name)

        module.__getattr__ = find  # type: ignore[method-assign]


def install() -> None:
    """Let Python find the modules that are gone, after all others."""
    if _MovedModules not in sys.meta_path:
        sys.meta_path.append(_MovedModules)
