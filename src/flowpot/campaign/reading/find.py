"""Find campaigns in a JobStore."""

from collections.abc import Mapping
from typing import Any

from jobflow import JobStore

from flowpot.redaction import redact

_TAGS = [
    *("metadata.campaign", "metadata.campaign_uuid", "metadata.campaign_run"),
    "completed_at",
]
_FIRST = ("active learning", "augment", "campaign inputs")
"""Jobs of which a campaign that has begun has at least one."""


def find_campaign(
    store: JobStore, name_or_uuid: str | None = None
) -> tuple[str, str | None]:
    """
    Find a campaign, finished or not.

    Parameters
    ----------
    store
        Connected.
    name_or_uuid
        Its name (the latest of that name), its uuid, or the uuid of its last job.
        None: the latest campaign.

    Returns
    -------
    tuple of str
        Its uuid; and where that of a job was given, the continuation that it is of.

    Raises
    ------
    LookupError
        If there is none; with what there is.
    """
    criteria: list[Mapping[str, Any]] = [{}]
    if name_or_uuid is not None:
        fields = ("metadata.campaign", "metadata.campaign_uuid", "uuid")
        criteria = [{field: name_or_uuid} for field in fields]
    for each in criteria:
        by_job = "uuid" in each
        if found := _begun(store, each):
            tags = found[-1]["metadata"]
            return tags["campaign_uuid"], tags.get("campaign_run") if by_job else None
    wanted = "" if name_or_uuid is None else f" {name_or_uuid!r}"
    raise LookupError(
        f"no campaign{wanted} in the store {redact(store.docs_store.name)}; it has "
        f"{campaign_names(store) or 'none'}. A campaign is there as soon as its first "
        "job has finished"
    )


def namesakes(store: JobStore, name: str, uuid: str) -> list[str]:
    """Describe other campaigns of the same name: their uuids, and when they ended."""
    last: dict[str, str] = {}
    for each in _begun(store, {"metadata.campaign": name}):
        last[each["metadata"]["campaign_uuid"]] = str(each["completed_at"])[:16]
    return [f"{other} ({at})" for other, at in last.items() if other != uuid]


def campaign_names(store: JobStore) -> list[str]:
    """List the names of the campaigns in a store, the latest last."""
    names = [d["metadata"]["campaign"] for d in _begun(store, {})]
    return list(dict.fromkeys(reversed(names)))[::-1]


def _begun(store: JobStore, criteria: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tags of the jobs with which campaigns begin, and go on, by time."""
    wanted = {"name": {"$in": list(_FIRST)}, **criteria}
    found = store.query(wanted, properties=list(_TAGS), load=False)
    tagged = [d for d in found if (d.get("metadata") or {}).get("campaign_uuid")]
    return sorted(tagged, key=lambda document: document["completed_at"])
