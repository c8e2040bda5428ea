"""A JobStore for one machine, without a server."""

from pathlib import Path

from jobflow import JobStore


def embedded_store(folder: Path) -> JobStore:
    """
    Return a persistent JobStore that lives in a folder (MontyDB on SQLite).

    For one process at a time: a cluster, or jobflow-remote, needs a MongoStore.

    Parameters
    ----------
    folder
        A relative one is meant from where the process is now: jobs run in folders of
        their own.

    Raises
    ------
    ImportError
        Without the extra ``flowpot[localdb]``.
    """
    try:
        from flowpot.campaign.indexed_store import (  # noqa: PLC0415 - an extra
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
