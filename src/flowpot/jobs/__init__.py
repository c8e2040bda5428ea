"""Declare and tag jobs, replace them by others, send them again; for all stages."""

from flowpot.jobs.declaration import (
    BLOB_KEY,
    JobName,
    NamedMaker,
    deciding_job,
    fan_out_job,
    stage_job,
)
from flowpot.jobs.references import Pointer, with_references
from flowpot.jobs.replacement import (
    PLANNED,
    continue_with,
    jobs_of,
    name_as_made,
    try_again,
)
from flowpot.jobs.replacement import _OpenFlow as _OpenFlow  # earlier versions' stores
from flowpot.jobs.retry import RetrySpec
from flowpot.jobs.tags import ROLE, TaggedFlow, keep_tags, set_role

Spare = RetrySpec  # its name in the stores of earlier versions

__all__ = [
    "BLOB_KEY",
    "PLANNED",
    "ROLE",
    "JobName",
    "NamedMaker",
    "Pointer",
    "RetrySpec",
    "TaggedFlow",
    "continue_with",
    "deciding_job",
    "fan_out_job",
    "jobs_of",
    "keep_tags",
    "name_as_made",
    "set_role",
    "stage_job",
    "try_again",
    "with_references",
]
