"""
Join what many turns have left, so that a late turn has no more to read than an early.

jobflow reads every reference of a job by queries of its own, and writes it down in the
job: with a shard a turn, each turn would be slower and its documents longer.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobflow import Job, OutputReference
from pydantic import Field

from flowpot.campaign.state import CampaignState, resolve
from flowpot.dataset import Artifact, Dataset
from flowpot.documents import StageDoc
from flowpot.jobs import Pointer, stage_job

Joins = Mapping[str, Mapping[str, Any]]
"""
By ledger: the joined ``level``, ``at`` (pointer to what stands for its oldest entries),
and ``seconds``, which are None where the job gave no result.
"""


class ShardDoc(StageDoc):
    """The labelled frames of several turns."""

    dataset: Artifact = Field(description="the frames, in the order of their turns")


@stage_job(ShardDoc)
def join_shards(shards: list[Artifact]) -> ShardDoc:
    """Write several shards as one."""
    return ShardDoc(dataset=Dataset.load(shards).to_artifact("labels.h5"))


@stage_job()
def join_records(records: list[Pointer]) -> dict[str, Any]:
    """Keep references to the records of several turns, which stay where they are."""
    return {"records": resolve(records), "seconds": 0.0}


def compact(state: CampaignState) -> tuple[list[Job], Joins]:
    """
    Make the jobs that join the old entries of full ledgers, beside those of a turn.

    The turn does not wait for them, nor fail with one: the state keeps its entries
    until :func:`adopt` reads that another document has them all.

    Returns
    -------
    list of Job
        None, one or two.
    Joins
        For :func:`adopt`, with references to what the jobs are going to say.
    """
    jobs: list[Job] = []
    joins: dict[str, dict[str, Any]] = {}
    if (level := state.shards.full) is not None:
        jobs.append(job := join_shards(resolve(state.shards.oldest(level))))
        joins["shards"] = _join(level, job.output.dataset, job)
    if (level := state.records.full) is not None:
        jobs.append(job := join_records(state.records.oldest(level)))
        joins["records"] = _join(level, job.output.records, job)
    for job in jobs:
        job.name = job.name.replace("_", " ")
    return jobs, joins


def _join(level: int, place: OutputReference, job: Job) -> dict[str, Any]:
    return {"level": level, "at": Pointer.to(place), "seconds": job.output.seconds}


def adopt(state: CampaignState, joins: Joins) -> CampaignState:
    """Let a state point to what :func:`compact` has joined, where that succeeded."""
    ledgers = {
        name: getattr(state, name).joined(found["level"], found["at"])
        for name, found in joins.items()
        if found["seconds"] is not None
    }
    return replace(state, **ledgers)
