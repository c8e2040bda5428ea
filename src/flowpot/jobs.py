"""Declare jobs, replace them by others, and send them again; for all stages."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

from jobflow import (
    CURRENT_JOB,
    Flow,
    Job,
    JobConfig,
    OnMissing,
    OutputReference,
    Response,
    job,
)
from jobflow.core.reference import find_and_get_references
from monty.json import MontyDecoder, MontyEncoder, MSONable
from pydantic import BaseModel

from flowpot.settings import fixed_path

BLOB_KEY = "blob"
"""Artifacts have their inline bytes under this key; jobs put it in the `data` store."""

PLANNED = "planned"
"""Field of a replaced job's output: the number of new jobs of each stage."""


class JobName(StrEnum):
    """
    Names of flowpot's own jobs: users choose workers by them.

    A Maker's ``name`` is the value, a plain string as in stores and YAML.
    """

    AUGMENT = "augment"
    INPUTS = "campaign inputs"
    LOOP = "active learning"
    RECORD = "record iteration"
    JOIN_SHARDS = "join shards"
    JOIN_RECORDS = "join records"
    PLAN_LABELS = "plan labels"
    QE_STATIC = "qe static"
    COLLECT_LABELS = "collect labels"
    COLLECT_LABELS_PART = "collect labels, part"
    MACE_TRAIN = "mace train"
    METATRAIN_TRAIN = "metatrain train"
    COLLECT_COMMITTEE = "collect committee"
    PLAN_MD = "plan md"
    LAMMPS_MD = "lammps md"
    BATCHED_MD = "batched md"
    COLLECT_FRAMES = "collect frames"
    EVALUATE = "evaluate committee"


_LIKE_A_FILE = re.compile(r"[./]")
_MAX_SPARE_CHARACTERS = 4_000_000  # a job must fit in a document of MongoDB: 16 MB


def stage_job(
    schema: type[BaseModel] | None = None, *, tolerant: bool = False
) -> Callable[..., Any]:
    """
    Declare a job that computes and returns a document.

    Parameters
    ----------
    schema
        Class of the document. None where the document has references to outputs of
        other jobs, which jobflow cannot validate.
    tolerant
        Whether outputs of failed jobs are passed as None. Otherwise this job does not
        run if one has failed.

    Returns
    -------
    Callable
        Decorator of a function or of a Maker's method. Arguments that name existing
        files become absolute paths, because jobs run in folders of their own.
    """
    missing = OnMissing.NONE if tolerant else OnMissing.ERROR
    declare = job(
        data=BLOB_KEY,
        output_schema=schema,
        config=JobConfig(on_missing_references=missing),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        make = declare(function)

        @wraps(make)
        def make_job(*args: Any, **kwargs: Any) -> Job:
            fixed = {name: _fixed(value) for name, value in kwargs.items()}
            return make(*map(_fixed, args), **fixed)

        return make_job

    return decorate


def _fixed(value: Any) -> Any:
    """Replace the names of existing files by absolute paths."""
    if type(value) in (list, tuple):
        return type(value)(map(_fixed, value))
    if isinstance(value, Path):
        return value.expanduser().absolute()
    if isinstance(value, str) and _LIKE_A_FILE.search(value) and Path(value).exists():
        return fixed_path(value)
    return value


def fan_out_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """
    Declare a job that replaces itself by others.

    Its settings of jobflow-remote are its own: without ``pass_manager_config=False``
    they would overwrite the workers that ``set_run_config(..., dynamic=True)`` has
    chosen for the new jobs. It has no output schema, against which jobflow would
    validate unresolved references.
    """
    return job(method, data=BLOB_KEY, config=JobConfig(pass_manager_config=False))


def deciding_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """
    Declare a job that reads the outputs of others and decides how to go on.

    It differs from :func:`fan_out_job` in that it also runs if some of the others have
    failed: their outputs are passed as None.
    """
    config = JobConfig(pass_manager_config=False, on_missing_references=OnMissing.NONE)
    return job(method, data=BLOB_KEY, config=config)


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
        output of this job are references to that of the last.
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
    planned = Counter(new.metadata.get("stage", own_stage) for new in new_jobs)
    planned.pop(None, None)
    unknown = dict.fromkeys(document.model_fields)
    pending = {**unknown, **known, PLANNED: dict(planned)}
    return Response(output=pending, replace=_OpenFlow([*jobs, last]))


@dataclass(frozen=True)
class Spare(MSONable):
    """
    Copies of jobs and of the job that collects them, to be sent again.

    A job whose calculation fails has an output that says so. A job without an output
    was killed, or its disk was full: it is worth a retry. The output of a job whose
    time was up lets another job go on. The copies are text, in which jobflow does not
    look for references.

    Attributes
    ----------
    jobs, collector
        JSON of the jobs, and of the one that collects their outputs.
    resends
        Whether jobs without an output may be sent once more.
    reached
        Number of steps that all jobs together had done when some last went on.
    """

    jobs: list[str]
    collector: str
    resends: bool = True
    reached: int = 0

    @classmethod
    def give(
        cls,
        jobs: Sequence[Job],
        collector: Job,
        *,
        resends: bool = True,
        reached: int = 0,
    ) -> None:
        """
        Give copies of jobs to their collector, as its argument ``spare``.

        Jobs that carry too much for a document, such as models, are not retried.

        Parameters
        ----------
        jobs, collector
            The jobs, and the one that collects their outputs.
        resends, reached
            See :class:`Spare`.
        """
        texts = [json.dumps(job, cls=MontyEncoder) for job in jobs]
        spare = cls(texts, json.dumps(collector, cls=MontyEncoder), resends, reached)
        if sum(map(len, texts)) < _MAX_SPARE_CHARACTERS:
            collector.update_kwargs({"spare": spare})

    def send(self, lost: Sequence[int], document: type[BaseModel]) -> Response:
        """
        Replace the running collector by the lost jobs and a new collector.

        The new collector has no copies of the jobs: there is no third attempt.

        Parameters
        ----------
        lost
            Indices of the lost jobs.
        document
            Class of what the collector returns.
        """
        jobs, collector = self._renewed(lost)
        return try_again([jobs[i] for i in lost], collector, document)

    def go_on(
        self,
        unfinished: Sequence[int],
        lost: Sequence[int],
        document: type[BaseModel],
        reached: int,
    ) -> Response:
        """
        Replace the running collector by jobs that go on, and a new collector.

        Parameters
        ----------
        unfinished
            Indices of jobs whose outputs let others go on: they are sent again, with a
            reference to that output as their argument ``resume``.
        lost
            Indices of jobs without an output, which are sent once more as they were.
        document
            Class of what the collector returns. Its argument ``earlier`` has, for each
            job, the reference to the output that the job went on from, or None.
        reached
            Number of steps that all jobs together have done.
        """
        jobs, collector = self._renewed([*unfinished, *lost])
        earlier = collector.function_kwargs.get("earlier") or [None] * len(jobs)
        for i in unfinished:
            earlier[i] = json.loads(self.jobs[i], cls=MontyDecoder).output
            jobs[i].update_kwargs({"resume": earlier[i]})
        collector.update_kwargs({"earlier": earlier})
        resends = self.resends and not lost
        Spare.give(jobs, collector, resends=resends, reached=reached)
        return try_again([jobs[i] for i in (*unfinished, *lost)], collector, document)

    def _renewed(self, indices: Sequence[int]) -> tuple[list[Job], Job]:
        """Return the jobs, some with new uuids, and the collector that names these."""
        jobs: list[Job] = [json.loads(text, cls=MontyDecoder) for text in self.jobs]
        collector = self.collector
        for index in indices:
            new = str(uuid.uuid4())
            collector = collector.replace(jobs[index].uuid, new)
            jobs[index].set_uuid(new)
        return jobs, json.loads(collector, cls=MontyDecoder)


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


class _OpenFlow(Flow):
    """
    A Flow whose jobs read outputs of finished jobs outside it.

    jobflow and jobflow-remote's runner accept such a replacement, but the worker of
    jobflow-remote refuses references to jobs that are not in ``job_uuids``. It is
    stored as a plain Flow.
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

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"@module": Flow.__module__, "@class": "Flow"}


def jobs_of(flow: Any) -> list[Job]:
    """Return the jobs of a Flow, nested ones too; of a Job, itself; of None, none."""
    if flow is None:
        return []
    if isinstance(flow, Job):
        return [flow]
    return [job for part in flow.jobs for job in jobs_of(part)]


@dataclass(frozen=True)
class Pointer(MSONable):
    """
    A reference to an output that jobflow does not resolve.

    The campaign's loop passes on references to shards and models: as an
    ``OutputReference``, each would be read from the store in every iteration.

    Attributes
    ----------
    uuid
        Uuid of the job.
    attributes
        Path into its output in jobflow's form: steps ("a", name) or ("i", index).
    """

    uuid: str
    attributes: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def to(cls, reference: OutputReference) -> "Pointer":
        """Return the pointer that is equivalent to a reference."""
        return cls(reference.uuid, tuple(tuple(step) for step in reference.attributes))

    @property
    def reference(self) -> OutputReference:
        """The equivalent reference, for a job that is to read the output."""
        return OutputReference(
            self.uuid, attributes=tuple(tuple(step) for step in self.attributes)
        )


def with_references(document: BaseModel, **references: Any) -> dict[str, Any]:
    """
    Return a document as a dictionary, with references in place of some fields.

    As the output of a job this copies no outputs of other jobs; jobflow resolves the
    references when the output is read.

    Parameters
    ----------
    document
        The document.
    **references
        References to outputs of other jobs, by the names of the fields.
    """
    fields = document.model_dump(mode="json", exclude=set(references))
    kind = type(document)
    return {
        "@module": kind.__module__,
        "@class": kind.__name__,
        **fields,
        **references,
    }
