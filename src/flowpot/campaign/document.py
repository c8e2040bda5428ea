"""The documents of a campaign: of each iteration, and of the whole."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.fresh import FreshError
from flowpot.properties.standing import PropertyStanding

StopKind = Literal[
    "converged",
    "none_over",
    "max_iterations",
    "max_labels",
    "nothing_left",
    "not_converged",
    "completed",
    "failed",
]


@dataclass(frozen=True)
class ReportedBy:
    """Marks a field that has the name and the value of one in a stage's document."""

    stage: str


_Labelling = ReportedBy("labelling")
_FreeLabels = ReportedBy("free labels")
_Training = ReportedBy("training")
_Exploration = ReportedBy("exploration")
_Evaluation = ReportedBy("evaluation")
_Validation = ReportedBy("validation")


class IterationDoc(BaseModel):
    """One iteration of the loop in numbers; None where a stage was left out."""

    iteration: int = Field(description="from 1")
    n_labelled: Annotated[int | None, _Labelling] = None
    n_failed: Annotated[int | None, _Labelling] = Field(
        None, description="labels that failed"
    )
    n_sent: Annotated[int | None, _Labelling] = Field(
        None, description="frames sent to the labelling engine, failed ones included"
    )
    n_postponed: Annotated[int | None, _Labelling] = Field(
        None, description="frames that were not sent because of max_labels"
    )
    n_dataset: int = Field(0, description="labelled frames after this iteration")
    n_sent_total: int = Field(0, description="of this and all iterations before")
    metrics: Annotated[dict[str, dict[str, float | None]] | None, _Training] = Field(
        None, description="RMSE of the committee mean: metrics[set][property]"
    )
    calibration: Annotated[dict[str, Calibration] | None, _Evaluation] = None
    audit: Annotated[Audit | None, _Evaluation] = None
    fresh_error: Annotated[dict[str, FreshError] | None, _Evaluation] = Field(
        None,
        description="error on fresh frames, as predicted before they were learned",
    )
    warnings: Annotated[list[str] | None, _Evaluation] = Field(
        None, description="what no selection of frames mends, and its cause"
    )
    n_explored: Annotated[int | None, _Evaluation] = None
    halted: Annotated[dict[str, int] | None, _Exploration] = Field(
        None, description="MD runs halted, by reason"
    )
    n_over: Annotated[int | None, _Evaluation] = None
    flagged_from: Annotated[float | None, _Evaluation] = None
    n_wrecked: Annotated[int | None, _Evaluation] = None
    n_insane: Annotated[int | None, _Evaluation] = None
    n_known: Annotated[int | None, _Evaluation] = None
    n_copies: Annotated[int | None, _Evaluation] = None
    n_selected: Annotated[int | None, _Evaluation] = None
    n_audit: Annotated[int | None, _Evaluation] = None
    n_pilot: Annotated[int | None, _Evaluation] = None
    n_pilot_labelled: int | None = Field(
        None,
        description="labels of the pilot, and of the closing audit, in this iteration",
    )
    n_closing: Annotated[int | None, _Evaluation] = Field(
        None,
        description="of the frames to be labelled first, those that decide the end",
    )
    properties: Annotated[list[PropertyStanding] | None, _Validation] = Field(
        None,
        description="quantities against their tolerances, where the iteration would "
        "otherwise have ended as converged",
    )
    n_reference: Annotated[int | None, _Validation] = Field(
        None,
        description="reference calculations of these, which count as frames sent to "
        "the labelling engine",
    )
    n_distorted: Annotated[int | None, _Validation] = Field(
        None, description="cells of the validation that are to be labelled, in addition"
    )
    validation_notes: Annotated[list[str] | None, _Validation] = Field(
        None, description="what does not hold for one quantity alone"
    )
    seconds: dict[str, float] = Field(
        default_factory=dict, description="wall time per stage (s)"
    )
    evaluation_job: str | None = Field(
        None, description="uuid of the job that evaluated the explored frames"
    )
    validation_job: str | None = Field(
        None, description="uuid of the job that judged the properties"
    )
    failed_stage: str | None = Field(None, description="the first that gave no result")
    failure: str | None = Field(None, description="its error, if it left one")
    failed_job: str | None = Field(None, description="uuid of its job")
    n_free: Annotated[int | None, _FreeLabels] = Field(
        None, description="frames that pretrain_with has labelled, and pretraining uses"
    )
    n_free_failed: Annotated[int | None, _FreeLabels] = Field(
        None, description="frames that pretrain_with could not label"
    )
    n_free_dropped: Annotated[int | None, _FreeLabels] = Field(
        None,
        description="frames labelled by pretrain_with that pretraining does not use: "
        "audited ones, and those whose composition has no real label to compare with",
    )
    free_error: Annotated[dict[str, float] | None, _FreeLabels] = Field(
        None,
        description="root mean square difference of the labels of pretrain_with from "
        "the real ones: energy (eV/atom), forces (eV/A), stress (eV/A^3)",
    )

    @property
    def n_chosen(self) -> int:
        """Number of explored frames that the evaluation wants labelled."""
        return sum(n or 0 for n in (self.n_selected, self.n_audit, self.n_pilot))


def reported_by(stage: str) -> tuple[str, ...]:
    """List the fields of an IterationDoc that are taken from a stage's document."""
    mark = ReportedBy(stage)
    fields = IterationDoc.model_fields.items()
    return tuple(name for name, field in fields if mark in field.metadata)


class CampaignDoc(StageDoc):
    """Outcome of an active-learning campaign."""

    name: str
    uuid: str
    seed: int
    max_iterations: int | None = Field(
        None, description="iterations that were allowed; known from the first on"
    )
    stop_kind: StopKind
    stop_reason: str = Field(description="why the campaign ended, in a sentence")
    iterations: list[IterationDoc] = Field(default_factory=list)
    dataset: list[Artifact] = Field(
        default_factory=list,
        description="the labelled frames, in the order of the iterations",
    )
    committee: Any = Field(None, description="CommitteeDoc of the last training")
    unlabelled: Artifact | None = Field(
        None, description="frames that wait for labels; some may have one by now"
    )
    evidence: list[Artifact] = Field(
        default_factory=list, description="what each iteration was calibrated on"
    )
    state: Any = Field(
        None, description="CampaignState: what a campaign is continued from"
    )
    makers: dict[str, Any] = Field(
        default_factory=dict,
        description="fields of the campaign's Makers, nested as they are; ``maker`` is "
        "the class",
    )

    @field_validator("committee")
    @classmethod
    def _trained(cls, committee: Any) -> Any:
        """Leave out a document without a value: see `flowpot.jobs.continue_with`."""
        is_empty = isinstance(committee, dict) and not committee.get("members")
        return None if is_empty else committee

    @field_validator("dataset", "evidence", mode="before")
    @classmethod
    def _present(cls, items: list[Any]) -> list[Any]:
        """Leave out what a failed stage never wrote: ``stop_reason`` names it."""
        return [item for item in items if item is not None]
