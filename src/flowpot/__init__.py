"""flowpot: machine-learned interatomic potentials by active learning, as Makers."""

from importlib.metadata import version

from flowpot import moved
from flowpot.lazy import lazy_exports

__version__ = version("flowpot")

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
    "ValidationDoc": "flowpot.properties",
    "ValidationMaker": "flowpot.properties",
}

__all__ = [  # noqa: PLE0604 - the keys are the public names
    *_HOME,
]

# A worker that runs pw.x needs no torch.
__getattr__, __dir__ = lazy_exports(__name__, _HOME)
