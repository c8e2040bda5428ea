"""How flowpot's jobs are declared: shared by every stage's ``makers.py``."""

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
"""Artifacts keep their inline bytes under this key, in the `data` store."""

PLANNED = "planned"
"""Outputs of jobs that replaced themselves count the new jobs of each stage here."""


class JobName(StrEnum):
    """
    Names of flowpot's own jobs: users choose workers by them.

    A Maker's ``name`` is the value, a plain string, which stores and YAML can hold.
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
    Declare a leaf job: it computes, and returns a document.

    Parameters
    ----------
    schema
        The document's class. None where the document keeps references to other
        jobs' outputs, which jobflow cannot validate.
    tolerant
        Whether inputs of failed jobs arrive as None instead of stopping this one.
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
            named = {name: _fixed(value) for name, value in kwargs.items()}
            return make(*map(_fixed, args), **named)

        return make_job

    return decorate


def _fixed(given: Any) -> Any:
    """Replace files named from here by absolute paths: jobs run in other folders."""
    if type(given) in (list, tuple):
        return type(given)(map(_fixed, given))
    if isinstance(given, Path):
        return given.expanduser().absolute()
    if isinstance(given, str) and _LIKE_A_FILE.search(given) and Path(given).exists():
        return fixed_path(given)
    return given


def fan_out_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """
    Declare a job that replaces itself by others.

    Its worker is its own: without ``pass_manager_config=False`` it would overwrite
    the workers that ``set_run_config(..., dynamic=True)`` chose for its children.
    No output schema: jobflow would validate unresolved references against it.
    """
    return job(method, data=BLOB_KEY, config=JobConfig(pass_manager_config=False))


def deciding_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """
    Declare a job that looks at what came of others and decides how to go on.

    As :func:`fan_out_job`; and it runs also when one of those has failed: the outputs
    of failed jobs arrive as None.
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
        That come before.
    last
        Takes the running job's uuid, so that what refers to this one's output gets
        the last one's, without a reference in between.
    document
        What the last one returns. Until then, and if it fails, its fields are None
        for those that tolerate missing inputs: jobflow cannot take an attribute of
        an output that never came.
    **known
        Fields of it that can be told by now.
    """
    running = CURRENT_JOB.job
    last.set_uuid(running.uuid)
    last.index = running.index + 1
    own = running.metadata.get("stage")
    new = [each for flow in jobs for each in jobs_of(flow)]
    planned = Counter(each.metadata.get("stage", own) for each in new)
    planned.pop(None, None)
    unknown = dict.fromkeys(document.model_fields)
    pending = {**unknown, **known, PLANNED: dict(planned)}
    return Response(output=pending, replace=_OpenFlow([*jobs, last]))


@dataclass(frozen=True)
class Spare(MSONable):
    """
    Jobs, and the one that collects them, written down to be sent once more.

    An engine that fails answers: its job's output says so. A job without an output was
    killed, or its disk was full; that says nothing about what it was to compute. And a
    job whose time was up left an output that another can go on from. As text, so that
    jobflow does not look for references in it.

    Attributes
    ----------
    jobs, collector
        Their JSON.
    resends
        Whether jobs without an output may be sent once more.
    reached
        How far the jobs had come when some were last continued, in steps.
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
        Give them to the collector, as its argument ``spare``.

        Jobs that carry too much to be written down, models for example, have no second
        try.
        """
        texts = [json.dumps(job, cls=MontyEncoder) for job in jobs]
        spare = cls(texts, json.dumps(collector, cls=MontyEncoder), resends, reached)
        if sum(map(len, texts)) < _MAX_SPARE_CHARACTERS:
            collector.update_kwargs({"spare": spare})

    def send(self, lost: Sequence[int], document: type[BaseModel]) -> Response:
        """
        Replace the running collector by the lost jobs and its own second try.

        That one has no spare: there is no third.

        Parameters
        ----------
        lost
            Which of the jobs.
        document
            What the collector returns.
        """
        jobs, text = self._anew(lost)
        sent = [jobs[i] for i in lost]
        return try_again(sent, json.loads(text, cls=MontyDecoder), document)

    def go_on(
        self,
        unfinished: Sequence[int],
        lost: Sequence[int],
        document: type[BaseModel],
        reached: int,
    ) -> Response:
        """
        Replace the running collector by jobs that go on, and its own next try.

        Parameters
        ----------
        unfinished
            Which of the jobs have left an output that can be gone on from: they are
            sent again with a reference to it, their argument ``resume``.
        lost
            Which of them have left none, and are sent once more as they were.
        document
            What the collector returns. Its argument ``earlier`` is given, for each
            job, the reference to the output that it went on from.
        reached
            How far the jobs have come.
        """
        before = {i: json.loads(self.jobs[i], cls=MontyDecoder) for i in unfinished}
        jobs, text = self._anew([*unfinished, *lost])
        collector: Job = json.loads(text, cls=MontyDecoder)
        known = collector.function_kwargs.get("earlier") or [None] * len(jobs)
        for i, left in before.items():
            known[i] = left.output
            jobs[i].update_kwargs({"resume": left.output})
        collector.update_kwargs({"earlier": known})
        resends = self.resends and not lost
        Spare.give(jobs, collector, resends=resends, reached=reached)
        return try_again([jobs[i] for i in (*unfinished, *lost)], collector, document)

    def _anew(self, indices: Sequence[int]) -> tuple[list[Job], str]:
        """Return some of the jobs new uuids, also in the collector's text."""
        jobs: list[Job] = [json.loads(text, cls=MontyDecoder) for text in self.jobs]
        collector = self.collector
        for index in indices:
            new = str(uuid.uuid4())
            collector = collector.replace(jobs[index].uuid, new)
            jobs[index].set_uuid(new)
        return jobs, collector


def try_again(
    jobs: Sequence[Flow | Job], collector: Job, document: type[BaseModel]
) -> Response:
    """
    Replace the running collector by jobs in place of lost ones and its second try.

    The new jobs have the collector's parents, to jobflow-remote, and so the lost jobs:
    they must not wait for those to succeed.
    """
    for flow in jobs:
        for each in jobs_of(flow):
            each.config = replace(each.config, on_missing_references=OnMissing.NONE)
    return continue_with(jobs, collector, document)


class _OpenFlow(Flow):
    """
    A Flow whose jobs read outputs of finished jobs outside it.

    jobflow takes such a replacement as it is, and so does jobflow-remote's runner;
    but its worker refuses references to jobs that ``job_uuids`` does not name. It is
    stored as the Flow that it is.
    """

    @property
    def job_uuids(self) -> tuple[str, ...]:
        inside = super().job_uuids
        read = {reference.uuid for reference in find_and_get_references(self.jobs)}
        return (*inside, *sorted(read.difference(inside)))

    def add_hosts_uuids(self, hosts_uuids: Any = None, prepend: bool = False) -> None:
        """
        Lie beside the Flow that the running job came with, not inside it.

        Else what a job brings that is replaced again and again, as a campaign's loop
        is, would name all the Flows before as its hosts.
        """
        running = CURRENT_JOB.job
        if hosts_uuids is running.hosts and running.index > 1:
            hosts_uuids = hosts_uuids[1:]
        super().add_hosts_uuids(hosts_uuids, prepend)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"@module": Flow.__module__, "@class": "Flow"}


def jobs_of(flow: Any) -> list[Job]:
    """List the jobs of a Flow, in any depth; of a Job, itself; of None, none."""
    if flow is None:
        return []
    if isinstance(flow, Job):
        return [flow]
    return [job for part in flow.jobs for job in jobs_of(part)]


@dataclass(frozen=True)
class Pointer(MSONable):
    """
    A reference that jobflow does not resolve on the way.

    The loop hands on which shards and models there are; as an ``OutputReference``
    each would be read from the store, blobs and all, at every iteration.

    Attributes
    ----------
    uuid
        Of the job.
    attributes
        Path into its output, as jobflow writes it: ("a", name) or ("i", index) steps.
    """

    uuid: str
    attributes: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def to(cls, reference: OutputReference) -> "Pointer":
        """Point to what ``reference`` refers to."""
        return cls(reference.uuid, tuple(tuple(step) for step in reference.attributes))

    @property
    def reference(self) -> OutputReference:
        """The reference, for a job that is to read the output."""
        return OutputReference(
            self.uuid, attributes=tuple(tuple(step) for step in self.attributes)
        )


def with_references(document: BaseModel, **references: Any) -> dict[str, Any]:
    """
    Return a document's dictionary with some fields left to other jobs' outputs.

    An output that keeps references copies nothing; jobflow resolves them whenever
    the output is read.
    """
    fields = document.model_dump(mode="json", exclude=set(references))
    kind = type(document)
    return {
        "@module": kind.__module__,
        "@class": kind.__name__,
        **fields,
        **references,
    }
