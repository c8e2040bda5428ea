"""Names of flowpot's jobs, and decorators that declare them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

from jobflow import Job, JobConfig, Maker, OnMissing, job
from pydantic import BaseModel

from flowpot.settings import fixed_path

BLOB_KEY = "blob"
"""Artifacts have their inline bytes under this key; jobs put it in the `data` store."""

_LIKE_A_FILE = re.compile(r"[./]")


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
    ALIGN_LABELS = "align free labels"
    MACE_TRAIN = "mace train"
    METATRAIN_TRAIN = "metatrain train"
    COLLECT_COMMITTEE = "collect committee"
    PLAN_MD = "plan md"
    LAMMPS_MD = "lammps md"
    BATCHED_MD = "batched md"
    COLLECT_FRAMES = "collect frames"
    EVALUATE = "evaluate committee"
    PLAN_VALIDATION = "plan validation"
    VALIDATE = "validate member"
    COLLECT_VALIDATION = "collect validation"
    JUDGE_PROPERTIES = "judge properties"


@dataclass
class NamedMaker(Maker):
    """
    Base of Makers that also extend a dataclass of options.

    As the last base it puts the field `name` before all options, as in other Makers.
    """

    name: str = "job"


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

    @wraps(method)
    def decide(*args: Any, **kwargs: Any) -> Any:
        if "spare" in kwargs:  # the name of `retry` in the stores of earlier versions
            kwargs["retry"] = kwargs.pop("spare")
        return method(*args, **kwargs)

    return job(decide, data=BLOB_KEY, config=config)
