"""The JobStore of a run on one machine, without a server, and what it holds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobflow import JobStore


def embedded_store(folder: Path) -> JobStore:
    """
    Return a persistent JobStore that lives in a folder (MontyDB on SQLite).

    For one process at a time: a cluster, or jobflow-remote, needs a MongoStore.

    Parameters
    ----------
    folder
        A relative path starts from the present working directory, although jobs run
        in folders of their own.

    Raises
    ------
    ImportError
        Without the extra ``flowpot[localdb]``.
    """
    try:
        from flowpot.campaign.local.indexed_store import (  # noqa: PLC0415 - an extra
            IndexedMontyStore,
        )
    except ImportError as error:
        raise ImportError(
            "the embedded store needs montydb: pip install 'flowpot[localdb]'"
        ) from error
    folder = Path(folder).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)

    def collection(name: str) -> IndexedMontyStore:
        return IndexedMontyStore(
            collection_name=name,
            database_path=str(folder),
            database_name="flowpot",
            storage="sqlite",
        )

    return JobStore(collection("docs"), additional_stores={"data": collection("data")})


def complete_jobs(store: JobStore, uuids: Sequence[str]) -> set[tuple[str, int]]:
    """
    List the jobs whose outputs the store holds, blobs in additional stores included.

    Parameters
    ----------
    store
        Connected.
    uuids
        Uuids of the jobs in question.

    Returns
    -------
    set of (uuid, index)
    """
    documents = list(store.query({"uuid": {"$in": list(uuids)}}, load=False))
    blobs = {
        (document["uuid"], document["index"]): set(_blobs(document.get("output")))
        for document in documents
    }
    present: set[tuple[str, str]] = set()
    for name, additional in store.additional_stores.items():  # type: ignore[has-type]
        wanted = {
            blob
            for references in blobs.values()
            for store_name, blob in references
            if store_name == name
        }
        stored = additional.distinct("blob_uuid", {"blob_uuid": {"$in": list(wanted)}})
        present |= {(name, blob) for blob in stored}
    return {job for job, references in blobs.items() if references <= present}


def _blobs(item: Any) -> Iterator[tuple[str, str]]:
    """Yield the store and the uuid of each blob that an output refers to."""
    if isinstance(item, dict):
        if "blob_uuid" in item:
            yield item["store"], item["blob_uuid"]
        for value in item.values():
            yield from _blobs(value)
    elif isinstance(item, list):
        for value in item:
            yield from _blobs(value)
