"""A JobStore for one machine, without a server."""

from pathlib import Path

from jobflow import JobStore
from maggma.stores.mongolike import MontyStore


def embedded_store(folder: Path) -> JobStore:
    """
    Give a persistent JobStore that lives in a folder (MontyDB on SQLite).

    For one process at a time: a cluster, or jobflow-remote, needs a MongoStore.

    Raises
    ------
    ImportError
        Without the extra ``flowpot[localdb]``.
    """
    try:
        import montydb  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise ImportError(
            "the embedded store needs montydb: pip install 'flowpot[localdb]'"
        ) from error
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def collection(name: str) -> MontyStore:
        return MontyStore(
            collection_name=name,
            database_path=str(folder),
            database_name="flowpot",
            storage="sqlite",
        )

    return JobStore(collection("docs"), additional_stores={"data": collection("data")})
