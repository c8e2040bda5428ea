"""What a campaign leaves behind."""

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc
from flowpot.evaluation import Audit, Calibration, FreshError

StopKind = Literal[
    "converged",
    "none_over",
    "max_iterations",
    "max_labels",
    "nothing_left",
    "completed",
    "failed",
]


class IterationDoc(BaseModel):
    """One turn of the loop, in numbers; None where a stage was left out."""

    iteration: int = Field(description="from 1")
    n_labelled: int | None = None
    n_failed: int | None = Field(None, description="labels that failed")
    n_sent: int | None = Field(
        None, description="frames sent to the labelling engine, failed ones included"
    )
    n_postponed: int | None = Field(
        None, description="frames that were not sent because of max_labels"
    )
    n_dataset: int = Field(0, description="labelled frames after this iteration")
    n_sent_total: int = Field(0, description="of this and all iterations before")
    metrics: dict[str, dict[str, float | None]] | None = Field(
        None, description="RMSE of the committee mean: metrics[set][property]"
    )
    calibration: dict[str, Calibration] | None = None
    audit: Audit | None = None
    fresh_error: dict[str, FreshError] | None = Field(
        None,
        description="error on fresh frames, as predicted before they were learned",
    )
    warnings: list[str] | None = Field(
        None, description="of the evaluation: what no selection mends, and its cause"
    )
    n_explored: int | None = None
    halted: dict[str, int] | None = Field(None, description="MD runs halted, by reason")
    n_over: int | None = None
    n_wrecked: int | None = None
    n_insane: int | None = None
    n_selected: int | None = None
    n_audit: int | None = None
    n_pilot: int | None = None
    n_pilot_labelled: int | None = Field(
        None,
        description="labels of the pilot, and of the closing audit, in this iteration",
    )
    n_closing: int | None = Field(
        None,
        description="of the frames to be labelled first, those that decide the end",
    )
    seconds: dict[str, float] = Field(
        default_factory=dict, description="wall time per stage (s)"
    )
    evaluation_job: str | None = Field(
        None, description="uuid of the job that judged the explored frames"
    )
    failed_stage: str | None = Field(None, description="the first that gave no result")
    failure: str | None = Field(None, description="its error, if it left one")
    failed_job: str | None = Field(None, description="uuid of its job")

    @property
    def n_chosen(self) -> int:
        """Explored frames that the evaluation wants labelled."""
        return sum(n or 0 for n in (self.n_selected, self.n_audit, self.n_pilot))


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
