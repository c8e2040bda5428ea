"""
Merge what many iterations have left, so that late ones read no more than early ones.

jobflow reads each reference of a job by queries of its own and writes it into the job.
With one more shard to refer to, each iteration would be slower, and its documents
longer, than the one before.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobflow import Job, OutputReference
from pydantic import Field

from flowpot.campaign.state import CampaignState, resolve
from flowpot.dataset import Artifact, Dataset
from flowpot.documents import StageDoc
from flowpot.jobs import JobName, Pointer, stage_job

Joins = Mapping[str, Mapping[str, Any]]
"""
For each log of the state that is full: the merged ``level``, ``at`` (pointer to what
replaces its oldest entries), and ``seconds``, None where the job gave no result.
"""


class MergedShards(StageDoc):
    """The labelled frames of several iterations."""

    dataset: Artifact = Field(description="the frames, in the order of the iterations")


ShardDoc = MergedShards
"""Name of the class in stores of version 0.1."""


@stage_job(MergedShards)
def join_shards(shards: list[Artifact]) -> MergedShards:
    """Write several shards as one."""
    return MergedShards(dataset=Dataset.load(shards).to_artifact("labels.h5"))


@stage_job()
def join_records(records: list[Pointer]) -> dict[str, Any]:
    """Return references to the records of several iterations, which stay in place."""
    return {"records": resolve(records), "seconds": 0.0}


def compact(state: CampaignState) -> tuple[list[Job], Joins]:
    """
    Make the jobs that merge the oldest entries of full logs, beside an iteration's.

    The iteration neither waits for them nor fails with them: the state keeps its
    entries until :func:`adopt` finds that another document replaces them.

    Returns
    -------
    list of Job
        None, one or two.
    Joins
        For :func:`adopt`, with references to what the jobs are going to return.
    """
    jobs: list[Job] = []
    joins: dict[str, dict[str, Any]] = {}
    if (level := state.shards.full) is not None:
        job = join_shards(resolve(state.shards.oldest(level)))
        job.name = JobName.JOIN_SHARDS.value
        joins["shards"] = _join(level, job.output.dataset, job)
        jobs.append(job)
    if (level := state.records.full) is not None:
        job = join_records(state.records.oldest(level))
        job.name = JobName.JOIN_RECORDS.value
        joins["records"] = _join(level, job.output.records, job)
        jobs.append(job)
    return jobs, joins


def _join(level: int, place: OutputReference, job: Job) -> dict[str, Any]:
    return {"level": level, "at": Pointer.to(place), "seconds": job.output.seconds}


def adopt(state: CampaignState, joins: Joins) -> CampaignState:
    """Return a state that points to what :func:`compact` merged, where that worked."""
    logs = {
        name: getattr(state, name).merged(join["level"], join["at"])
        for name, join in joins.items()
        if join["seconds"] is not None
    }
    return replace(state, **logs)
