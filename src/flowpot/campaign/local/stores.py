"""The JobStore of a run on one machine, without a server, and what it holds."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jobflow import JobStore
from ruamel.yaml.error import YAMLError

from flowpot.settings import given_path

_LONGEST = 200  # characters of what is wrong with a file
_MARK = "monty.storage.cfg"
"""File that is in the folder of each embedded store."""


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


def store_at(path: JobStore | str | Path, name: str = "store") -> JobStore:
    """
    Open the JobStore that a path leads to, or return the one that is given.

    Parameters
    ----------
    path
        Folder of an embedded store, which is not made to hold one, or file with the
        specification of a JobStore, as jobflow reads it; or the JobStore itself.
    name
        What the path is called in errors: the option or the argument.

    Raises
    ------
    ValueError
        If there is no store, or this is no path.
    """
    if isinstance(path, JobStore):
        return path
    if not isinstance(path, str | Path):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"{name} is a {type(path).__name__}: give a JobStore, or the path of one"
        )
    path = given_path(path)
    if path.is_dir():
        if (path / _MARK).is_file():
            return embedded_store(path)
        stores = [f"{name} {shlex.quote(str(place))}" for place in embedded_in(path)]
        remedy = " or ".join(stores)
        raise ValueError(
            f"{name} is {str(path)!r}, a folder that holds no embedded store: give "
            f"{remedy or 'the folder `store` in that of a campaign that ran here'}"
        )
    if not path.exists():
        raise ValueError(
            f"{name} is {str(path)!r}, which does not exist: give a JobStore's file "
            "or the folder of an embedded store"
        )
    try:
        return JobStore.from_file(str(path))
    except (ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        # In one line, and without the file's content, which some errors hold.
        said = " ".join(str(error).split())[:_LONGEST]
        raise ValueError(
            f"{name} is {str(path)!r}, which specifies no JobStore "
            f"({type(error).__name__}: {said}): it needs `docs_store` and "
            "`additional_stores` with `data`"
        ) from error


def embedded_in(folder: Path) -> list[Path]:
    """List the embedded stores in a folder, and one folder below."""
    places: Iterable[Path] = (*folder.glob("store"), *folder.glob("*/store"))
    return sorted(place for place in places if (place / _MARK).is_file())


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
