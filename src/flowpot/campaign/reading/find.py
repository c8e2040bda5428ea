"""Find campaigns in a JobStore."""

from collections.abc import Mapping
from typing import Any

from jobflow import JobStore

from flowpot.jobs import JobName
from flowpot.redaction import redact

_TAGS = [
    *("metadata.campaign", "metadata.campaign_uuid", "metadata.campaign_run"),
    "completed_at",
]
_FIRST = (JobName.LOOP, JobName.AUGMENT, JobName.INPUTS)
"""Names of jobs: a campaign that has begun has finished at least one of these."""


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
        The uuid of the campaign. Where the uuid of a job was given, also the run that
        this job belongs to (see `CampaignDocuments`), else None.

    Raises
    ------
    LookupError
        If there is none; with the names of those that there are.
    """
    criteria: list[Mapping[str, Any]] = [{}]
    if name_or_uuid is not None:
        fields = ("metadata.campaign", "metadata.campaign_uuid", "uuid")
        criteria = [{field: name_or_uuid} for field in fields]
    for criterion in criteria:
        by_job = "uuid" in criterion
        if documents := _begun(store, criterion):
            tags = documents[-1]["metadata"]
            return tags["campaign_uuid"], tags.get("campaign_run") if by_job else None
    wanted = "" if name_or_uuid is None else f" {name_or_uuid!r}"
    raise LookupError(
        f"no campaign{wanted} in the store {redact(store.docs_store.name)}; it has "
        f"{campaign_names(store) or 'none'}. A campaign is there as soon as its first "
        "job has finished"
    )


def namesakes(store: JobStore, name: str, uuid: str) -> list[str]:
    """Describe other campaigns of the same name: uuid, and time of the last job."""
    last: dict[str, str] = {}
    for document in _begun(store, {"metadata.campaign": name}):
        last[document["metadata"]["campaign_uuid"]] = str(document["completed_at"])[:16]
    return [f"{other} ({at})" for other, at in last.items() if other != uuid]


def campaign_names(store: JobStore) -> list[str]:
    """List the names of the campaigns in a store, the latest last."""
    names = [d["metadata"]["campaign"] for d in _begun(store, {})]
    return list(dict.fromkeys(reversed(names)))[::-1]


def _begun(store: JobStore, criteria: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tags of the jobs with which campaigns begin and go on, by time."""
    wanted = {"name": {"$in": [name.value for name in _FIRST]}, **criteria}
    documents = store.query(wanted, properties=list(_TAGS), load=False)
    tagged = [d for d in documents if (d.get("metadata") or {}).get("campaign_uuid")]
    return sorted(tagged, key=lambda document: document["completed_at"])
