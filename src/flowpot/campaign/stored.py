"""Which jobs' outputs a JobStore holds completely."""

from collections.abc import Iterator, Sequence
from typing import Any

from jobflow import JobStore


def stored_jobs(store: JobStore, uuids: Sequence[str]) -> set[tuple[str, int]]:
    """
    List the jobs whose outputs are there, with all that additional stores keep of them.

    Parameters
    ----------
    store
        Connected.
    uuids
        Of the jobs in question.

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
        wanted = {blob for found in blobs.values() for at, blob in found if at == name}
        there = additional.distinct("blob_uuid", {"blob_uuid": {"$in": list(wanted)}})
        present |= {(name, blob) for blob in there}
    return {job for job, found in blobs.items() if found <= present}


def _blobs(item: Any) -> Iterator[tuple[str, str]]:
    """Find what an output keeps in additional stores: their names and the blobs'."""
    if isinstance(item, dict):
        if "blob_uuid" in item:
            yield item["store"], item["blob_uuid"]
        for value in item.values():
            yield from _blobs(value)
    elif isinstance(item, list):
        for value in item:
            yield from _blobs(value)
