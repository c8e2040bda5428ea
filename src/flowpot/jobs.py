"""How flowpot's jobs are declared: shared by every stage's ``makers.py``."""

from collections.abc import Callable
from typing import Any

from jobflow import JobConfig, OnMissing, job
from pydantic import BaseModel

BLOB_KEY = "blob"
"""Artifacts keep their inline bytes under this key, in the `data` store."""


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
    return job(
        data=BLOB_KEY,
        output_schema=schema,
        config=JobConfig(on_missing_references=missing),
    )


def fan_out_job(method: Callable[..., Any]) -> Callable[..., Any]:
    """
    Declare a job that replaces itself by others.

    Its worker is its own: without ``pass_manager_config=False`` it would overwrite
    the workers that ``set_run_config(..., dynamic=True)`` chose for its children.
    No output schema: jobflow would validate unresolved references against it.
    """
    return job(method, data=BLOB_KEY, config=JobConfig(pass_manager_config=False))
