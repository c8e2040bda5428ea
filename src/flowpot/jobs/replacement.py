"""Replace the running job by others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jobflow import CURRENT_JOB, Flow, Job, OnMissing, Response
from jobflow.core.reference import find_and_get_references
from pydantic import BaseModel

from flowpot.jobs.tags import ROLE, StoredAsFlow, set_role

PLANNED = "planned"
"""Field of a replaced job's output: the number of new jobs of each stage."""


def continue_with(
    jobs: Sequence[Flow | Job], last: Job, document: type[BaseModel], **known: Any
) -> Response:
    """
    Replace the running job by others, of which the last gives its output.

    Parameters
    ----------
    jobs
        The new jobs but for the last.
    last
        The last new job. It takes the running job's uuid, so that references to the
        output of this job are references to that of the last, and its role.
    document
        Class of what the last job returns. Until then, and if it fails, the output is
        such a document with all fields None: jobflow cannot take an attribute of an
        output that does not exist.
    **known
        Fields of that document whose values are known already.
    """
    running = CURRENT_JOB.job
    last.set_uuid(running.uuid)
    last.index = running.index + 1
    own_stage = running.metadata.get("stage")
    new_jobs = [new for flow in jobs for new in jobs_of(flow)]
    for new in new_jobs:
        set_role(new)
    set_role(last, running.metadata.get(ROLE, last.name))
    for new in (*new_jobs, last):
        if new.name == running.name:  # by its Maker, whose name jobflow changes too
            new.name = name_as_made(running)
    planned = Counter(new.metadata.get("stage", own_stage) for new in new_jobs)
    planned.pop(None, None)
    unknown = dict.fromkeys(document.model_fields)
    pending = {**unknown, **known, PLANNED: dict(planned)}
    return Response(output=pending, replace=_OpenFlow([*jobs, last]))


def try_again(
    jobs: Sequence[Flow | Job], collector: Job, document: type[BaseModel]
) -> Response:
    """
    Replace the running collector by jobs in place of lost ones, and a new collector.

    In jobflow-remote the new jobs have the parents of the collector, which are the lost
    jobs: they must not wait for those to succeed.

    Parameters
    ----------
    jobs
        The jobs in place of the lost ones; their settings are changed.
    collector
        The new collector.
    document
        Class of what the collector returns.
    """
    for flow in jobs:
        for new in jobs_of(flow):
            new.config = replace(new.config, on_missing_references=OnMissing.NONE)
    return continue_with(jobs, collector, document)


class _OpenFlow(StoredAsFlow):
    """
    A Flow whose jobs read outputs of finished jobs outside it.

    jobflow and jobflow-remote's runner accept such a replacement, but the worker of
    jobflow-remote refuses references to jobs that are not in ``job_uuids``.
    """

    @property
    def job_uuids(self) -> tuple[str, ...]:
        own = super().job_uuids
        read = {reference.uuid for reference in find_and_get_references(self.jobs)}
        return (*own, *sorted(read.difference(own)))

    def add_hosts_uuids(self, hosts_uuids: Any = None, prepend: bool = False) -> None:
        """
        Add hosts, but not the Flow by which an earlier job was replaced.

        Otherwise the jobs of a campaign, whose loop is replaced in each iteration,
        would have all the Flows of earlier iterations as hosts.
        """
        running = CURRENT_JOB.job
        if hosts_uuids is running.hosts and running.index > 1:
            hosts_uuids = hosts_uuids[1:]
        super().add_hosts_uuids(hosts_uuids, prepend)


def name_as_made(job: Job) -> str:
    """Return a job's name without what jobflow is going to add to new jobs' names."""
    name: str = job.name
    for update in reversed(job.name_updates):
        added = update["append_str"]
        prepended = update["prepend"]
        name = name.removeprefix(added) if prepended else name.removesuffix(added)
    return name


def jobs_of(flow: Any) -> list[Job]:
    """Return the jobs of a Flow, nested ones too; of a Job, itself; of None, none."""
    if flow is None:
        return []
    if isinstance(flow, Job):
        return [flow]
    return [job for part in flow.jobs for job in jobs_of(part)]
