"""What flows between the stages: frames with labels, and files by content."""

from flowpot.dataset.artifact import Artifact
from flowpot.dataset.dataset import Dataset
from flowpot.dataset.labels import LabelKeys
from flowpot.dataset.splits import assign_splits

__all__ = ["Artifact", "Dataset", "LabelKeys", "assign_splits"]
