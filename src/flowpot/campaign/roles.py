"""Which jobs of a campaign give which results, and how their documents are found."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flowpot.campaign.record import FREE_LABELS, PRETRAINING, VALIDATION
from flowpot.jobs import ROLE, JobName

RESULTS = {
    "augmentation": JobName.AUGMENT,
    "inputs": JobName.INPUTS,
    "labelling": JobName.COLLECT_LABELS,
    FREE_LABELS: JobName.ALIGN_LABELS,
    PRETRAINING: JobName.COLLECT_COMMITTEE,
    "training": JobName.COLLECT_COMMITTEE,
    "exploration": JobName.COLLECT_FRAMES,
    "evaluation": JobName.EVALUATE,
    VALIDATION: JobName.JUDGE_PROPERTIES,
}
"""The role of the job whose output is a stage's result, whatever the job's name."""

ROLE_PATH = f"metadata.{ROLE}"
"""Where the document of a job has its role."""


FIRST = (JobName.LOOP, JobName.AUGMENT, JobName.INPUTS)
"""Roles of jobs: a campaign that has begun has finished at least one of these."""

Query = Callable[[dict[str, Any], list[str]], Iterable[dict[str, Any]]]
"""Returns the documents that fulfil criteria, with some fields."""


def query_roles(
    query: Query, roles: Iterable[JobName], *fields: str, by_name: bool = True
) -> Iterator[dict[str, Any]]:
    """
    Find the documents of jobs of some roles, by criteria that each have an index.

    Parameters
    ----------
    query
        Asks the store.
    roles
        The roles.
    *fields
        Fields to read of each document.
    by_name
        Whether there may be documents of earlier versions, which have no role: the
        name stands for it.

    Yields
    ------
    dict
        The documents.
    """
    wanted = {"$in": [role.value for role in roles]}
    yield from query({ROLE_PATH: wanted}, list(fields))
    if by_name:
        # Asked for "no role", too, some servers would read the whole collection.
        more = () if "metadata" in fields else (ROLE_PATH,)
        documents = query({"name": wanted}, [*fields, *more])
        yield from (document for document in documents if lacks_role(document))


def lacks_role(document: Mapping[str, Any]) -> bool:
    """Return whether a document is that of an earlier version's job."""
    return ROLE not in (document.get("metadata") or {})


def role_in(document: Mapping[str, Any]) -> str:
    """Return the role of a document's job: of an earlier version's, its name."""
    named = lacks_role(document)
    return str(document["name"] if named else document["metadata"][ROLE])
