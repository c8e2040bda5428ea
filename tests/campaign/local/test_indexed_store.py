"""The embedded store finds what a plain MontyStore finds, and reads less for it."""

import copy
import pickle
import sqlite3
import time

import numpy as np
import pytest
from maggma.stores import MemoryStore
from maggma.stores.mongolike import MontyStore

from flowpot.campaign import embedded_store
from flowpot.campaign.local.indexed_store import INDEXED, IndexedMontyStore
from flowpot.campaign.roles import ROLE_PATH

QUERIES = [
    {},
    {"uuid": "3"},
    {"uuid": "3", "index": 2},
    {"uuid": "none"},
    {"uuid": {"$in": ["3", "5", "none"]}},
    {"uuid": {"$in": []}},
    {"uuid": {"$ne": "3"}},
    {"name": "qe static", "output.energy": {"$lt": -2}},
    {"name": {"$in": ["qe static", "evaluate"]}, "metadata.campaign_uuid": "b"},
    {"metadata.campaign_uuid": "b", "metadata.iteration": 1},
    {"metadata.flowpot_role": {"$in": ["part"]}, "metadata.campaign_uuid": "b"},
    {"output.energy": {"$gt": -1}},
    {"$or": [{"uuid": "3"}, {"uuid": "4"}]},
]


def documents(n=40):
    return [
        {
            "uuid": str(i // 2),
            "index": i % 2 + 1,
            "name": ("qe static", "evaluate", "mace train")[i % 3],
            "metadata": {"campaign_uuid": "ab"[i % 2], "iteration": i % 4}
            | ({"flowpot_role": "part"} if i % 5 == 0 else {}),
            "output": {"energy": -0.1 * i},
        }
        for i in range(n)
    ]


def opened(folder, kind=IndexedMontyStore):
    store = kind("docs", database_path=str(folder), database_name="flowpot")
    store.connect()
    return store


def seen(store, query, **options):
    return [
        {k: v for k, v in found.items() if k != "_id"}
        for found in store.query(query, **options)
    ]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_it_finds_what_a_plain_store_finds(tmp_path, query):
    stores = [
        opened(tmp_path / "indexed"),
        opened(tmp_path / "plain", MontyStore),
        MemoryStore(),
    ]
    found = []
    for store in stores:
        store.connect()
        store.update(documents(), key=["uuid", "index"])
        changed = [{**each, "again": True} for each in documents()[3:9]]
        store.update(changed, key=["uuid", "index"])
        sort = {"output.energy": 1}
        found.append(
            [
                seen(store, query, sort=sort),
                seen(store, query, sort=sort, limit=3, skip=1),
                seen(store, query, sort=sort, properties=["output.energy"]),
                store.count(query),
                sorted(store.distinct("name", query)),
            ]
        )
    assert found[0] == found[2]
    assert found[0][:1] == found[1][:1]
    assert len(seen(stores[0], {})) == 40


def test_roles_are_indexed():
    assert ROLE_PATH in INDEXED


def test_a_database_of_a_plain_store_is_read(tmp_path):
    """Also what such a store writes while this one is open."""
    plain = opened(tmp_path, MontyStore)
    plain.update(documents(10), key=["uuid", "index"])
    store = opened(tmp_path)
    assert len(seen(store, {"uuid": "3"})) == 2
    plain.update([{"uuid": "late", "index": 1, "name": "x"}], key=["uuid", "index"])
    assert len(seen(store, {"uuid": "late"})) == 1
    store.update([{"uuid": "3", "index": 2, "new": 1}], key=["uuid", "index"])
    assert len(seen(plain, {"uuid": "3"})) == 2
    store.remove_docs({"uuid": "3"})
    assert seen(store, {"uuid": "3"}) == seen(plain, {"uuid": "3"}) == []
    store.close()
    assert len(seen(opened(tmp_path), {})) == 9


def test_a_damaged_database_is_named(tmp_path):
    store = opened(tmp_path)
    store.update(documents(4), key=["uuid", "index"])
    store.close()
    path = tmp_path / "flowpot" / "docs.collection"
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    with pytest.raises(sqlite3.DatabaseError, match=r"docs\.collection: .*; restore"):
        opened(tmp_path)


def test_it_stays_where_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = embedded_store("relative")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.connect()
    store.update({"uuid": "1", "index": 1, "output": 1})
    assert (tmp_path / "relative" / "flowpot" / "docs.collection").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_copies_open_the_same_database(tmp_path):
    store = embedded_store(tmp_path)
    store.connect()
    store.update({"uuid": "1", "index": 1, "output": 7})
    copies = [
        copy.deepcopy(store.docs_store),
        pickle.loads(pickle.dumps(store.docs_store)),
        IndexedMontyStore.from_dict(store.docs_store.as_dict()),
    ]
    for each in copies:
        each.connect()
        assert seen(each, {"uuid": "1"})[0]["output"] == 7


def test_another_storage_is_refused(tmp_path):
    with pytest.raises(ValueError, match="storage is 'flatfile': only 'sqlite'"):
        IndexedMontyStore("docs", str(tmp_path), storage="flatfile")


def costs(store, n, size):
    """CPU seconds of writing a job's output with a blob and reading it back."""
    times = []
    for i in range(n):
        output = {"energy": i, "blob": f"{i:{size}}"}
        document = {"uuid": str(i), "index": 1, "output": output}
        begin = time.process_time()
        store.update(document, key=["uuid", "index"], save={"data": ["blob"]})
        assert store.get_output(str(i), load=True) == output
        times.append(time.process_time() - begin)
    return times


def test_the_thousandth_job_costs_what_the_first_did(tmp_path):
    store = embedded_store(tmp_path)
    store.connect()
    times = costs(store, 1200, 10_000)
    first, last = np.median(times[50:250]), np.median(times[-200:])
    assert last < 2 * first  # it would be eight times as much if it grew with them
