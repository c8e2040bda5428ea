"""MontyDB on SQLite with indexes: a query reads only the documents it may match."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from bson import ObjectId
from maggma.stores import MemoryStore
from maggma.stores.mongolike import MontyStore
from monty.json import jsanitize
from montydb.types import bson

INDEXED = (
    *("uuid", "blob_uuid", "name"),
    *("metadata.campaign_uuid", "metadata.flowpot_role"),
)
"""Fields that are indexed; a query on others reads all documents."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS [documents](
    k text NOT NULL, v text NOT NULL, PRIMARY KEY(k)
);
CREATE TABLE IF NOT EXISTS [flowpot_index](
    field text NOT NULL, value text NOT NULL, k text NOT NULL,
    PRIMARY KEY(field, value, k)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS [flowpot_index_k] ON [flowpot_index](k);
"""
_AT_ONCE = 500  # parameters of one statement


class IndexedMontyStore(MontyStore):
    """
    A MontyStore that finds documents by indexed fields without reading the others.

    MontyDB reads and decodes a whole collection for each query and each update, blobs
    included, so that a run with many jobs becomes ever slower. Here a table beside
    MontyDB's own says which documents have which values of :data:`INDEXED`. Only the
    documents that a query may match are read, and mongomock answers the query on them.
    Databases that a plain MontyStore wrote are indexed when they are opened.

    Parameters
    ----------
    collection_name, database_path, database_name, storage, **kwargs
        As for MontyStore; `storage` must be ``"sqlite"``.

    Raises
    ------
    ValueError
        Where `storage` is another.
    """

    def __init__(
        self,
        collection_name: str,
        database_path: str | None = None,
        database_name: str = "db",
        storage: str = "sqlite",
        **kwargs: Any,
    ) -> None:
        if storage != "sqlite":
            raise ValueError(f"storage is {storage!r}: only 'sqlite' can be indexed")
        path = str(Path(database_path or ".").absolute())
        super().__init__(collection_name, path, database_name, "sqlite", **kwargs)
        self._lock = RLock()
        self._few = MemoryStore()
        self._sqlite: sqlite3.Connection | None = None
        self._version: int | None = None

    def connect(self, force_reset: bool = False) -> None:
        """Connect, and index documents that a plain MontyStore has written."""
        super().connect(force_reset)
        with self._lock:
            if self._sqlite is None or force_reset:
                self._sqlite = self._open()
                self._version = None
            self._complete()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._sqlite is not None:
                self._sqlite.close()
            self._sqlite = None
        if self._coll is not None:
            super().close()
        self._coll = None

    def query(  # type: ignore[override]
        self,
        criteria: dict[str, Any] | None = None,
        properties: Any = None,
        sort: Any = None,
        hint: Any = None,
        skip: int = 0,
        limit: int = 0,
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        """Query as MontyStore does."""
        keys = self._keys(criteria or {})
        options = (criteria, properties, sort, hint, skip, limit)
        if keys is None:
            yield from super().query(*options, **kwargs)
            return
        with self._lock:
            few = self._few
            few.connect(force_reset=True)
            if documents := self._read(keys):
                few._collection.insert_many(documents)  # noqa: SLF001 - as it does
            answer = list(few.query(*options, **kwargs))
        yield from answer

    def update(
        self, docs: list[dict[str, Any]] | dict[str, Any], key: Any = None
    ) -> None:
        """Write documents as MontyStore does, in place of those of the same `key`."""
        key = key or self.key
        names = key if isinstance(key, list) else [key]
        for given in docs if isinstance(docs, list) else [docs]:
            if self.validator is not None or not set(names) & set(INDEXED):
                super().update(given, key)
                self._complete()
                continue
            document = jsanitize(given, allow_bson=True)
            wanted = {name: document[name] for name in names}
            before = next(self.query(wanted, properties={"_id": 1}, limit=1), {})
            known = before.get("_id", document.get("_id"))
            self._write({**document, "_id": ObjectId() if known is None else known})

    def __getstate__(self) -> dict[str, Any]:
        """Copy without the connections."""
        connections = ("_lock", "_few", "_sqlite", "_coll")
        return self.__dict__ | dict.fromkeys(connections)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copy with new connections."""
        self.__dict__.update(state, _lock=RLock(), _few=MemoryStore())

    @property
    def _database(self) -> sqlite3.Connection:
        if self._sqlite is None:
            self.connect()
        assert self._sqlite is not None
        return self._sqlite

    def _open(self) -> sqlite3.Connection:
        folder = Path(self.database_path) / self.database_name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.collection_name}.collection"
        database = sqlite3.connect(path, timeout=60, check_same_thread=False)
        database.text_factory = str
        # Each output is on the disk before the run records that its job is done.
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        try:
            database.executescript(f"{pragmas} {_SCHEMA}")
        except sqlite3.OperationalError:
            raise  # locked, or out of reach: not damaged
        except sqlite3.DatabaseError as error:
            database.close()
            raise sqlite3.DatabaseError(
                f"{path}: {error}; restore it from a copy"
            ) from error
        return database

    def _complete(self) -> None:
        """Index documents that other connections have written since the last look."""
        with self._lock, self._database as database:
            (version,) = database.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return
            missing = "k NOT IN (SELECT k FROM flowpot_index)"
            new = database.execute(f"SELECT k, v FROM documents WHERE {missing}")  # noqa: S608
            for key, content in new.fetchall():
                self._index(key, bson.document_decode(content))
            self._version = version

    def _keys(self, criteria: Mapping[str, Any]) -> list[str] | None:
        """Return keys of the documents that may match; None: no index tells."""
        with self._lock:
            self._complete()
            candidates = [
                self._having(name, values)
                for name in INDEXED
                if (values := _values(criteria.get(name))) is not None
            ]
        return min(candidates, key=len, default=None)

    def _having(self, name: str, values: Sequence[str]) -> list[str]:
        """Return keys of the documents that have one of some values of a field."""
        keys: dict[str, None] = {}
        for some in _pieces(values):
            marks = ",".join("?" * len(some))
            query = f"SELECT k FROM flowpot_index WHERE field=? AND value IN ({marks})"  # noqa: S608
            keys.update(dict.fromkeys(k for (k,) in self._execute(query, name, *some)))
        return list(keys)

    def _read(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Read documents, in the order in which they were written."""
        rows: list[tuple[int, Any]] = []
        with self._lock:
            for some in _pieces(keys):
                marks = ",".join("?" * len(some))
                query = f"SELECT rowid, v FROM documents WHERE k IN ({marks})"  # noqa: S608
                rows += self._execute(query, *some)
        return [bson.document_decode(content) for _, content in sorted(rows)]

    def _write(self, document: Mapping[str, Any]) -> None:
        key = bson.id_encode(document["_id"])
        content = bson.document_encode(document, check_keys=False)
        with self._lock, self._database as database:
            database.execute(
                "INSERT INTO documents(k, v) VALUES (?, ?) "
                "ON CONFLICT(k) DO UPDATE SET v=excluded.v",
                (key, content),
            )
            database.execute("DELETE FROM flowpot_index WHERE k=?", (key,))
            self._index(key, document)

    def _index(self, key: str, document: Mapping[str, Any]) -> None:
        values = [("", "", key)]  # a row for every document: it has been indexed
        for name in INDEXED:
            value: Any = document
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            if isinstance(value, str):
                values.append((name, value, key))
        self._database.executemany(
            "INSERT OR IGNORE INTO flowpot_index VALUES (?, ?, ?)", values
        )

    def _execute(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        return self._database.execute(query, parameters).fetchall()


def _values(condition: Any) -> list[str] | None:
    """Return the strings that a condition asks for; None for any other condition."""
    if isinstance(condition, str):
        return [condition]
    if isinstance(condition, Mapping) and isinstance(condition.get("$in"), Iterable):
        values = list(condition["$in"])
        return values if all(isinstance(value, str) for value in values) else None
    return None


def _pieces(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
