"""What an evaluation leaves behind."""

from pydantic import Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.fresh import FreshError


class EvaluationDoc(StageDoc):
    """Calibration of a committee, and the frames that it wants labelled."""

    calibration: dict[str, Calibration] = Field(description="per property")
    audit: Audit = Field(
        description="labels of frames that this committee had judged: of its closing "
        "audit, or its pilot"
    )
    fresh_error: dict[str, FreshError] = Field(
        default_factory=dict,
        description="error on fresh frames, as predicted before they were learned",
    )
    warnings: list[str] = Field(
        default_factory=list, description="what no selection mends, and its cause"
    )
    n_explored: int = Field(description="frames judged")
    n_over: int = Field(description="of them, flagged")
    n_wrecked: int = Field(description="over the upper bound: counted, not labelled")
    n_insane: int = Field(description="without finite predictions, or atoms too close")
    n_known: int = Field(description="already labelled or chosen before")
    n_selected: int = Field(description="flagged and chosen for labelling")
    n_audit: int = Field(description="accepted and chosen for labelling as a check")
    n_pilot: int = Field(
        0, description="drawn uniformly, to be labelled before anything is selected"
    )
    n_closing: int = Field(
        0, description="of the pilot, accepted frames that decide whether to end"
    )
    dataset: Artifact = Field(description="the chosen frames, unlabelled")
    predictions: Artifact = Field(
        description="these, with the committee mean as labels and their uncertainties"
    )
    evidence: Artifact = Field(
        description="npz of the uncertainties and errors that were calibrated on"
    )
