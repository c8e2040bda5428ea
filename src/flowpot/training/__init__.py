"""From a dataset to potentials: one, or a committee of them."""

from flowpot.training.committee import CommitteeTrainingMaker
from flowpot.training.document import CommitteeDoc, PotentialDoc
from flowpot.training.makers import (
    MACETrainingMaker,
    MetatrainTrainingMaker,
    TrainingMaker,
)

__all__ = [
    "CommitteeDoc",
    "CommitteeTrainingMaker",
    "MACETrainingMaker",
    "MetatrainTrainingMaker",
    "PotentialDoc",
    "TrainingMaker",
]
