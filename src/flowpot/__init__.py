"""flowpot: machine-learned interatomic potentials by active learning, as Makers."""

import importlib
from typing import Any

from flowpot import moved

moved.install()

_HOME = {
    "ActiveLearningMaker": "flowpot.campaign",
    "Artifact": "flowpot.dataset",
    "AugmentationMaker": "flowpot.augmentation",
    "BatchedMDMaker": "flowpot.exploration",
    "Campaign": "flowpot.campaign",
    "CommitteeCalculator": "flowpot.evaluation",
    "CommitteeTrainingMaker": "flowpot.training",
    "Dataset": "flowpot.dataset",
    "EspressoStaticMaker": "flowpot.labelling",
    "EvaluationMaker": "flowpot.evaluation",
    "ExplorationMaker": "flowpot.exploration",
    "LabellingMaker": "flowpot.labelling",
    "LammpsMDMaker": "flowpot.exploration",
    "MACETrainingMaker": "flowpot.training",
    "MetatrainTrainingMaker": "flowpot.training",
}

__all__ = [  # noqa: PLE0604 - the keys are the public names
    *_HOME,
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: a pw.x worker needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'flowpot' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
