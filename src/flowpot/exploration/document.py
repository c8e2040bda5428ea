"""Documents of trajectories and of the exploration stage."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc

MDState = Literal["done", "halted", "out of time", "failed"]

_ROWS_OF_A_BATCH = 400
_FEWEST_ROWS = 5
"""Rows of the logs that an MDBatchDoc keeps: of all its runs, and at least of each."""


class MDDoc(StageDoc):
    """One trajectory."""

    state: MDState = Field(
        description="done: all steps; halted: stopped as it became unphysical or the "
        "committee disagreed; out of time: can be resumed; failed: did not run"
    )
    reason: str | None = Field(None, description="why it halted or failed")
    detail: str | None = Field(None, description="message of the engine, if it halted")
    dataset: Artifact | None = Field(
        None,
        description="the sampled frames, those before a halt; None if there are none",
    )
    n_frames: int = Field(0, description="sampled frames")
    attempts: int = Field(
        1,
        description="attempts, each with half the timestep, until none broke down",
    )
    n_steps: int = Field(0, description="steps done")
    trajectory: str = Field(description="name of the trajectory, also of its frames")
    parent: str = Field(description="fingerprint of the frame that it started from")
    formula: str = Field(description="chemical formula of its atoms")
    ensemble: str = Field(description="npt, nvt, nve or langevin")
    temperature: tuple[float, float] = Field(description="first and last target (K)")
    pressure: tuple[float, float] = Field(description="first and last target (kbar)")
    timestep: float = Field(description="timestep (fs)")
    seed: int = Field(description="seed of the velocities and of the noise")
    member: int = Field(0, description="index of the committee member that drove it")
    engine: str = Field("python", description="what computed the forces")
    thermo: dict[str, list[float]] = Field(
        default_factory=dict,
        description="columns of the log, with units, thinned",
    )
    disagreement: dict[str, list[float]] = Field(
        default_factory=dict,
        description="uncertainty of the committee at the checked steps, thinned: step, "
        "disagreement in each property, size of the forces, and the predicted error in "
        "units of what flags a frame",
    )
    correlation: list[float] = Field(
        default_factory=list,
        description="steps that hold one independent potential energy: in the whole "
        "run, without its first tenth, two tenths and so on",
    )
    folder: str = Field("", description="folder where it ran")
    checkpoint: Artifact | None = Field(
        None, description="state from which a run that is out of time goes on"
    )

    @property
    def unfinished(self) -> bool:
        """Whether it ran out of time and can go on."""
        return self.state == "out of time" and self.checkpoint is not None

    @property
    def halted(self) -> str | None:
        """The reason why the run was halted; None if it was not."""
        return self.reason if self.state == "halted" else None

    def thinned(self, rows: int) -> "MDDoc":
        """Return a copy whose logs have at most `rows` rows, evenly spaced."""
        columns = ("thermo", "disagreement")
        return self.model_copy(
            update={name: thin(getattr(self, name), rows) for name in columns}
        )


def thin(columns: Mapping[str, ArrayLike], rows: int) -> dict[str, list[float]]:
    """Return evenly spaced rows of a table, the first and the last among them."""
    table = {name: np.asarray(column) for name, column in columns.items()}
    n = len(next(iter(table.values()), []))
    kept = np.unique(np.linspace(0, n - 1, min(n, rows)).round().astype(int))
    return {name: column[kept].tolist() for name, column in table.items()}


class MDBatchDoc(StageDoc):
    """Several trajectories that shared a job."""

    runs: list[MDDoc]

    @classmethod
    def of(cls, runs: Sequence[MDDoc], **fields: Any) -> Self:
        """
        Make a document that does not grow with the number of its trajectories.

        Parameters
        ----------
        runs
            The trajectories, whose logs are thinned.
        **fields
            Other fields of the document.
        """
        rows = max(_FEWEST_ROWS, _ROWS_OF_A_BATCH // max(len(runs), 1))
        return cls(runs=[run.thinned(rows) for run in runs], **fields)


class MDFailure(BaseModel):
    """A trajectory that did not run."""

    trajectory: str
    parent: str = Field(
        description="fingerprint of the frame that it was to start from"
    )
    reason: str
    folder: str = ""


class ExplorationDoc(StageDoc):
    """The frames of one iteration's molecular dynamics."""

    dataset: Artifact = Field(description="sampled frames, duplicates removed")
    n_frames: int = Field(description="frames in the dataset")
    n_sampled: int = Field(description="frames sampled, before any was left out")
    n_runs: int = Field(description="trajectories started")
    n_failed: int = Field(description="trajectories without a single step")
    n_steps: int = Field(description="steps of all trajectories")
    n_short: int = Field(
        0, description="trajectories that ran out of time and could not go on"
    )
    n_steps_missing: int = Field(0, description="steps that these have not done")
    halted: dict[str, int] = Field(
        default_factory=dict, description="trajectories stopped, by reason"
    )
    failures: list[MDFailure] = Field(default_factory=list)
    members: list[int] = Field(
        default_factory=list, description="committee members that drove trajectories"
    )
    md_seconds: float = Field(0.0, description="wall time of the trajectories (s)")
