"""How far a campaign is, and how long it still takes."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from flowpot.campaign.reading.documents import (
    CampaignDocuments,
    iteration_of,
    stage_of,
)
from flowpot.campaign.record import LOOP_STAGES, ONCE, STAGES
from flowpot.jobs import PLANNED


@dataclass
class StageStatus:
    """
    Jobs of one stage of one iteration.

    Attributes
    ----------
    iteration, stage
        Number of the iteration (0: before the first) and name of the stage.
    done, total
        Finished jobs, and all jobs that are known by now.
    running, failed
        Jobs that run or have failed; None where no queue is known.
    finished
        Whether the stage's result is there.
    ended
        When its last job so far finished.
    seconds
        Wall time (s) since the stage before it had ended.
    """

    iteration: int
    stage: str
    done: int = 0
    total: int = 0
    running: int | None = None
    failed: int | None = None
    finished: bool = False
    ended: datetime | None = None
    seconds: float = 0.0

    def take_in(self, completed_at: str) -> None:
        """Count a finished job."""
        time = datetime.fromisoformat(completed_at)
        self.ended = max(self.ended or time, time)
        self.done += 1
        self.total = max(self.total, self.done)


@dataclass
class CampaignStatus:
    """
    How far a campaign is.

    Attributes
    ----------
    name, uuid
        Name and uuid of the campaign.
    stop_reason
        Why it ended; None: it runs.
    n_dataset
        Labelled frames of the finished labelling stages.
    stages
        Its stages so far, in order.
    max_iterations
        Iterations that are allowed; None: not known.
    stop_kind
        Kind of end, as in :class:`flowpot.campaign.CampaignDoc`; None: it runs.
    """

    name: str
    uuid: str
    stop_reason: str | None
    n_dataset: int
    stages: list[StageStatus] = field(default_factory=list)
    max_iterations: int | None = None
    stop_kind: str | None = None

    @property
    def iteration(self) -> int:
        """Number of the present iteration."""
        return max((stage.iteration for stage in self.stages), default=0)

    @property
    def updated(self) -> datetime | None:
        """When the last job finished."""
        times = [stage.ended for stage in self.stages if stage.ended is not None]
        return max(times, default=None)

    @property
    def remaining(self) -> float | None:
        """
        Estimate what the present iteration still takes (s).

        The stage at work goes on at its pace, those after it take as long as in the
        iteration before. None where neither is known.
        """
        if self.stop_reason is not None:
            return 0.0
        before = {
            s.stage: s.seconds for s in self.stages if s.iteration < self.iteration
        }
        now = {s.stage: s for s in self.stages if s.iteration == self.iteration}
        times = []
        for name in LOOP_STAGES:
            stage = now.get(name)
            if stage is None and name in ONCE:
                continue
            if stage is None or not stage.finished:
                left = (
                    time_left(stage.done, stage.total, stage.seconds) if stage else None
                )
                times.append(left if left is not None else before.get(name))
        known = [time for time in times if time is not None]
        return sum(known) if known else None

    @property
    def at_most(self) -> float | None:
        """
        Estimate what the campaign still takes if all its iterations run (s).

        Each takes as long as the last finished one; None where there is none.
        """
        before = self.iteration - 1
        length = sum(
            stage.seconds
            for stage in self.stages
            if stage.iteration == before and stage.stage not in ONCE
        )
        if self.remaining is None or not length or self.max_iterations is None:
            return None
        return self.remaining + length * max(self.max_iterations - self.iteration, 0)


def time_left(done: int, total: int, seconds: float) -> float | None:
    """
    Estimate how long the rest takes (s), at the pace so far; None: nothing is done yet.

    Parameters
    ----------
    done, total
        Jobs that are finished, and all of them.
    seconds
        Time that the finished ones took.

    Examples
    --------
    >>> time_left(done=10, total=40, seconds=60.0)
    180.0
    """
    return seconds * (total - done) / done if done and seconds else None


def status_of(documents: CampaignDocuments) -> CampaignStatus:
    """
    Tell from the documents how far a campaign is.

    Earlier iterations are known by their results; the jobs of the present one are
    looked at one by one.
    """
    by_key: dict[tuple[int, str], StageStatus] = {}
    for document in documents.stages:
        key = (iteration_of(document), stage_of(document))
        status = by_key.setdefault(key, StageStatus(*key))
        status.take_in(document["completed_at"])
        status.finished = True
    if documents.end is None:
        _count_jobs(documents, by_key)
    stages = [by_key[key] for key in sorted(by_key, key=_order)]
    iterations = documents.iterations
    for before, after in pairwise(stages):
        if before.ended and after.ended:
            after.seconds = (after.ended - before.ended).total_seconds()
    return CampaignStatus(
        name=documents.name,
        uuid=documents.uuid,
        stop_reason=documents.stop_reason,
        n_dataset=iterations[-1].n_dataset if iterations else 0,
        stages=stages,
        max_iterations=documents.allowed,
        stop_kind=None
        if documents.end is None
        else documents.end["output"]["stop_kind"],
    )


def _count_jobs(
    documents: CampaignDocuments, stages: dict[tuple[int, str], StageStatus]
) -> None:
    """Count the jobs since the loop last decided: finished ones and planned ones."""
    present = documents.present
    decided = max((record["completed_at"] for record in documents.records), default="")
    known: Counter[str] = Counter()
    if documents.loop is not None and documents.loop["completed_at"] >= decided:
        known.update(_planned(documents.loop))
    for stage in known:  # runs for the second time, after a pilot
        before = stages.get((present, stage))
        if before and before.ended and before.ended.isoformat() <= decided:
            del stages[present, stage]
    fields = (
        "metadata.stage",
        "metadata.iteration",
        "completed_at",
        f"output.{PLANNED}",
    )
    for job in documents.find({"metadata.iteration": present}, *fields):
        stage = job["metadata"].get("stage")
        if stage is None or job["completed_at"] <= decided:
            continue
        known.update(_planned(job))
        status = stages.setdefault((present, stage), StageStatus(present, stage))
        if not status.finished and not _planned(job):
            status.take_in(job["completed_at"])
    for stage, total in known.items():
        status = stages.setdefault((present, stage), StageStatus(present, stage))
        if not status.finished:
            status.total = max(total, status.total)


def _planned(document: dict[str, Any] | None) -> dict[str, int]:
    """Return the number of jobs, by stage, by which a job has replaced itself."""
    return ((document or {}).get("output") or {}).get(PLANNED) or {}


def _order(key: tuple[int, str]) -> tuple[int, int]:
    iteration, stage = key
    return iteration, STAGES.index(stage) if stage in STAGES else -1
