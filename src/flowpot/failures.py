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
    completed; outside of a campaign the error is raised.

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
                empty = {
                    name: dict.fromkeys(kind.model_fields)
                    for name, kind in nested.items()
                }
                failure = f"{type(error).__name__}: {error}"
                return (
                    dict.fromkeys(document.model_fields) | empty | {"failure": failure}
                )
            return {"failure": None, **found} if isinstance(found, dict) else found

        return run

    return decorate
