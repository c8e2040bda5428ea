"""Find campaigns in a JobStore, and make queries of it quick."""

from collections.abc import Mapping
from typing import Any

from jobflow import JobStore
from maggma.stores import MongoStore
from maggma.stores.mongolike import MemoryStore
from pymongo.errors import PyMongoError

from flowpot.campaign.reading.labels import SEARCHABLE
from flowpot.campaign.roles import FIRST, ROLE_PATH, query_roles
from flowpot.redaction import redact

_TAGS = [
    *("metadata.campaign", "metadata.campaign_uuid", "metadata.campaign_run"),
    "completed_at",
]
CAMPAIGN = "metadata.campaign_uuid"
KEYS: tuple[tuple[str, ...], ...] = (
    ("uuid", "index"),
    ("name", "metadata.campaign"),
    ("name", CAMPAIGN),
    (ROLE_PATH, "metadata.campaign"),
    (ROLE_PATH, CAMPAIGN),
    (CAMPAIGN, "name"),
    (CAMPAIGN, ROLE_PATH),
    (CAMPAIGN, "metadata.stage"),
    (CAMPAIGN, "metadata.stage", "metadata.iteration"),
    *((CAMPAIGN, path) for paths in SEARCHABLE.values() for path in paths),
)
"""The fields of each index."""


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
    documents = query_roles(
        lambda by_role, wanted: store.query(
            {**by_role, **criteria}, wanted, load=False
        ),
        FIRST,
        *_TAGS,
    )
    tagged = [d for d in documents if (d.get("metadata") or {}).get("campaign_uuid")]
    return sorted(tagged, key=lambda document: document["completed_at"])


def ensure_indexes(store: JobStore) -> bool:
    """
    Create the indexes that the documents' collection lacks.

    This costs nothing in a new store, and some seconds for each index in one of
    100,000 documents.

    Parameters
    ----------
    store
        Connected. Stores that do not keep their documents in MongoDB have no indexes.

    Returns
    -------
    bool
        Whether the indexes exist: False also where this user may only read.
    """
    documents = store.docs_store
    if not isinstance(documents, MongoStore) or isinstance(documents, MemoryStore):
        return False
    collection = documents._collection  # noqa: SLF001 - ensure_index takes one field
    try:
        for fields in KEYS:
            collection.create_index([(field, 1) for field in fields])
    except PyMongoError:
        return False
    return True
