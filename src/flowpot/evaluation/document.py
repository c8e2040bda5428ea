"""What an evaluation leaves behind."""

from pydantic import Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.calibration import Calibration


class EvaluationDoc(StageDoc):
    """Calibration of a committee, and the frames that it wants labelled."""

    calibration: dict[str, Calibration] = Field(description="per property")
    audit: Audit = Field(description="labels of frames that were judged before")
    n_explored: int = Field(description="frames judged")
    n_over: int = Field(description="of them, over a threshold")
    n_wrecked: int = Field(description="over the upper bound: counted, not labelled")
    n_insane: int = Field(description="without finite predictions, or atoms too close")
    n_known: int = Field(description="already labelled or chosen before")
    n_selected: int = Field(description="over threshold and chosen for labelling")
    n_audit: int = Field(description="accepted and chosen for labelling as a check")
    n_pilot: int = Field(
        0, description="drawn uniformly, to be labelled before anything is selected"
    )
    dataset: Artifact = Field(description="the chosen frames, unlabelled")
    predictions: Artifact = Field(
        description="these, and the pilot before them, with the committee mean as "
        "labels"
    )
    evidence: Artifact = Field(
        description="npz of the disagreement and error that were calibrated on"
    )
