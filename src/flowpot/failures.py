"""A stage's error becomes part of a campaign's record."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from jobflow import CURRENT_JOB
from pydantic import BaseModel


def recorded(
    document: type[BaseModel], **nested: type[BaseModel]
) -> Callable[..., Any]:
    """
    Let a stage that raises inside a campaign say why, in its output.

    Without, the loop would know only that there is no output. The job counts as
    completed; outside of a campaign the error is raised. What an error has as ``known``
    is kept: fields that the stage could tell all the same.

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
                if job is None or "campaign" not in job.metadata:
                    raise
                job.output_schema = None  # type: ignore[assignment]  # which this output does not fulfil
                return {
                    **dict.fromkeys(document.model_fields),
                    **{k: dict.fromkeys(v.model_fields) for k, v in nested.items()},
                    **getattr(error, "known", {}),
                    "failure": f"{type(error).__name__}: {error}",
                }
            return {"failure": None, **found} if isinstance(found, dict) else found

        return run

    return decorate
