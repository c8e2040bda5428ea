"""Frames as arguments of jobs, which run on other machines."""

from collections.abc import Callable
from typing import Any

from jobflow import OutputReference

from flowpot.dataset.artifact import Artifact
from flowpot.dataset.dataset import Dataset


def portable(
    source: Any, name: str, read: Callable[[Any], Dataset] | None = None
) -> Any:
    """
    Return frames in a form that a job can carry to another machine.

    Parameters
    ----------
    source
        Whatever ``Dataset.load`` takes, or references to other jobs' outputs.
    name
        File name of the Artifact.
    read
        Reads the frames that are at hand, and may refuse them. None:
        ``Dataset.load``, which an Artifact or the dictionary of a document does not
        need: these are left to the job.

    Returns
    -------
    object
        References as they are, for jobflow to resolve; an Artifact of all else. A list
        with a reference, or anything else that stays as it is, remains a list.
    """
    # A Dataset as an argument would be read before the job begins, which could not
    # say what is wrong with it.
    kept = OutputReference if read is not None else OutputReference | Artifact | dict
    if isinstance(source, kept):
        return source
    if isinstance(source, list | tuple) and any(
        isinstance(part, kept) for part in source
    ):
        return [portable(part, name, read) for part in source]
    return (read or Dataset.load)(source).to_artifact(name)
