"""What every stage's document has in common, and how errors get into it."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jobflow import CURRENT_JOB
from pydantic import BaseModel, ConfigDict, Field

from flowpot.redaction import redact

TRACEBACK_FILE = "traceback.txt"
"""In the folder of a job that has failed."""

_REASONS: ContextVar[dict[str, str] | None] = ContextVar("reasons", default=None)
"""Why jobs of the run that this process is in have failed, by their uuids."""


class StageDoc(BaseModel):
    """
    Output of a flowpot job: the small numbers that people query.

    Frames and models travel in it as :class:`flowpot.Artifact`, never as lists.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    seconds: float = Field(0.0, description="wall time of the job's own work (s)")
    versions: dict[str, str] = Field(
        default_factory=dict, description="versions of the packages that did it"
    )
    failure: str | None = Field(
        None, description="why a stage of a campaign gave no result; None: it did"
    )


def field_of(document: Any, name: str) -> Any:
    """
    Return a field of a document, None where it lacks it.

    Jobs hand on their documents as models in one process and as dictionaries through
    a store; a missing document is None.
    """
    if isinstance(document, Mapping):
        return document.get(name)
    return getattr(document, name, None)


def class_names(output: Any) -> list[str]:
    """Return the names of the class of a document, and of those that it is made of."""
    if isinstance(output, Mapping):
        return [f"{output.get('@module')}.{output.get('@class')}"]
    kind = output if isinstance(output, type) else type(output)
    return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]


def package_versions(*names: str) -> dict[str, str]:
    """Versions of flowpot and of the named distributions, where installed."""
    found = {}
    for name in ("flowpot", *names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def recorded(
    document: type[BaseModel], **nested: type[BaseModel]
) -> Callable[..., Any]:
    """
    Let a stage that raises inside a campaign say why, in its output.

    Without, the loop would know only that there is no output. The job counts as
    completed; outside of a campaign the error is raised, unless the job's Maker is
    told to `fail_softly`. What an error has as ``known`` is kept: fields that the stage
    could tell all the same.

    Parameters
    ----------
    document
        What the stage returns: the output has its fields, all None but ``failure``.
    **nested
        Fields that others refer into, and what they hold: a document of Nones, too.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                found = function(*args, **kwargs)
            except Exception as error:
                job = CURRENT_JOB.job
                softly = any(getattr(each, "fail_softly", False) for each in args)
                if job is None or not (softly or "campaign" in job.metadata):
                    raise
                job.output_schema = None  # type: ignore[assignment]  # which this output does not fulfil
                return {
                    **dict.fromkeys(document.model_fields),
                    **{k: dict.fromkeys(v.model_fields) for k, v in nested.items()},
                    **getattr(error, "known", {}),
                    "failure": reason_for(error),
                    "traceback": keep_traceback(error),
                }
            return {"failure": None, **found} if isinstance(found, dict) else found

        return run

    return decorate


def reason_for(error: Exception) -> str:
    """Return the last line of an error's traceback, without passwords."""
    return redact(f"{type(error).__name__}: {error}")


def keep_traceback(error: Exception) -> str | None:
    """
    Write an error's traceback into the current folder, which is the job's.

    Returns
    -------
    str or None
        The file; None where it could not be written.
    """
    path = Path.cwd() / TRACEBACK_FILE
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    text = redact("".join(traceback.format_exception(error)))
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{now}\n{text}\n")
    except OSError:  # a full disk, say; the error itself is told all the same
        return None
    return str(path)


@contextmanager
def local_failures() -> Iterator[dict[str, str]]:
    """
    Remember, until the block is left, why jobs that run in this process fail.

    Yields
    ------
    dict
        Reasons by the jobs' uuids, to be filled: see :func:`reason_of`.
    """
    reasons: dict[str, str] = {}
    token = _REASONS.set(reasons)
    try:
        yield reasons
    finally:
        _REASONS.reset(token)


def reason_of(job: str | None) -> str | None:
    """
    Say why a job failed that left no output.

    None where that is not known: it was killed, or ran in another process, whose queue
    knows.
    """
    reasons = _REASONS.get() or {}
    return None if job is None else reasons.get(job)
