"""Documents of the labelling stage."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc

FailureStage = Literal["geometry", "engine", "max_force"]


class LabelFailure(BaseModel):
    """A frame that has no label, and why."""

    fingerprint: str = Field(description="content hash of the frame")
    reason: str = Field(description="what went wrong")
    stage: FailureStage = Field(
        description="refused before the engine, failed in it, or its label refused"
    )
    criterion: str | None = Field(
        default=None,
        description="what the frame failed: content, cell, volume, vacuum, distance, "
        "state (charge and spin)",
    )
    folder: str | None = Field(
        default=None, description="host:folder of the engine's files"
    )
    config_type: str | None = Field(
        default=None, description="what kind of frame it is"
    )


class FrameRun(BaseModel):
    """How one frame of a batch went, and what it is, for queries by both."""

    frame: dict[str, Any] = Field(
        default_factory=dict, description="see :func:`frame_record`"
    )
    state: Literal["successful", "failed"] = Field(description="how it ended")
    energy: float | None = Field(default=None, description="label (eV)")
    forces_max: float | None = Field(
        default=None, description="largest force on an atom (eV/A)"
    )
    errors: list[str] = Field(default_factory=list, description="why it failed")
    corrections: list[str] = Field(
        default_factory=list, description="remedies that were applied, in order"
    )
    folder: str | None = Field(
        default=None, description="host:folder of the engine's files"
    )
    seconds: float = Field(default=0.0, description="wall time (s)")
    n_scf_steps: int | None = Field(
        default=None, description="SCF iterations of the last run"
    )


class BatchDoc(StageDoc):
    """A `qe static` job that labelled several frames."""

    dataset: Artifact = Field(
        description="all frames of the batch, in order, labelled where it succeeded"
    )
    runs: list[FrameRun] = Field(description="how each frame went")
    n_labelled: int = Field(description="frames with a label")
    n_failed: int = Field(description="frames without")


class LabelPartDoc(StageDoc):
    """A part of many label jobs, collected: what the stage's shard is made of."""

    dataset: Artifact = Field(
        description="the part's frames, labelled where there is a label"
    )
    failed_frames: Artifact = Field(description="its LabelFailures, as JSON")
    n_corrected: int = Field(default=0, description="frames that needed a remedy")


class LabellingDoc(StageDoc):
    """
    One labelled shard: what a labelling stage adds to a campaign's data.

    ``seconds`` is the engines' wall time, summed over frames, where they report it.
    """

    dataset: Artifact = Field(description="the labelled frames, each with its split")
    n_labelled: int = Field(description="frames of the shard")
    n_computed: int = Field(description="of them, labelled by this stage's engine")
    n_sent: int = Field(0, description="frames sent to the engine, failed ones too")
    n_failed: int = Field(description="frames without a usable label")
    n_duplicates: int = Field(description="frames dropped: known, or given twice")
    n_postponed: int = Field(description="frames not sent because of max_labels")
    n_refused: dict[str, int] = Field(
        default_factory=dict, description="frames not sent, by what was wrong with them"
    )
    failures: list[LabelFailure] = Field(
        description="each frame without a label; where they are many, the first ones"
    )
    failed_frames: Artifact | None = Field(
        default=None,
        description="all of the failures, as JSON, where `failures` has not all",
    )
    n_corrected: int = Field(default=0, description="frames that needed a remedy")
    splits: dict[str, int] = Field(
        default_factory=dict, description="frames per set: train, val, test"
    )
