"""Indexes of the documents, for queries that stay quick among many labels."""

from jobflow import JobStore
from maggma.stores import MongoStore
from maggma.stores.mongolike import MemoryStore
from pymongo.errors import PyMongoError

from flowpot.campaign.reading.labels import SEARCHABLE

CAMPAIGN = "metadata.campaign_uuid"

KEYS: tuple[tuple[str, ...], ...] = (
    ("uuid", "index"),
    ("name", "metadata.campaign"),
    ("name", CAMPAIGN),
    (CAMPAIGN, "name"),
    (CAMPAIGN, "metadata.stage"),
    (CAMPAIGN, "metadata.stage", "metadata.iteration"),
    *((CAMPAIGN, path) for paths in SEARCHABLE.values() for path in paths),
)
"""The fields of each index."""


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
