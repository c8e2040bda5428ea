"""How long it takes to look at large campaigns, in MongoDB."""

import time

import pytest
from jobflow import JobStore
from pymongo import MongoClient
from pymongo.monitoring import CommandListener
from rich.console import Console
from rich.table import Table

from flowpot import Campaign
from flowpot.campaign.reading.find import ensure_indexes
from flowpot.report import write_report
from flowpot.report.status import status_view

pytestmark = [pytest.mark.slow, pytest.mark.integration]

N_LABELS = 100_000
N_FRAMES = 20_000

QUERIES = {
    "one frame": {"fingerprint": f"{77_777:032x}"},
    "one trajectory": {"trajectory": "run-3-17"},
    "largest forces": {"forces_max": {"$gt": 11.5}},
    "lowest energies": {"energy": {"$lt": -15.4}},
    "a rare kind": {"config_type": "vacancy"},
    "rare and strong": {"config_type": "vacancy", "forces_max": {"$gt": 2.0}},
    "hot": {"temperature": {"$gt": 998.0}},
}


def labels(n):
    """Documents of single labels, as the jobs write them: 32 atoms each."""
    for i in range(n):
        record = {
            "fingerprint": f"{i:032x}",
            "formula": "Cu32",
            "n_atoms": 32,
            "config_type": "vacancy" if i % 1000 == 0 else "md",
            "iteration": i % 10,
            "temperature": (i * 7919 % 100_000) / 100,
            "trajectory": f"run-{i % 10}-{i // 10 % 1000}",
            "parent": f"{i % 50:032x}",
        }
        label = {
            "energy": -(i * 104_729 % 1_000_000) / 64_516.1,
            "forces_max": 10 * ((i * 15_485_863 % 1_000_003) / 1_000_003) ** 0.5
            + 2.01 * (i % 500 == 0),
            "forces": [[0.1, 0.2, 0.3]] * 32,
        }
        yield {
            "uuid": f"label-{i}",
            "index": 1,
            "name": "qe static",
            "completed_at": "2026-01-01T00:00:00",
            "metadata": {
                "campaign": "large",
                "campaign_uuid": "large-uuid",
                "iteration": 1 + i % 10,
                "stage": "labelling",
                "frames": [record],
            },
            "output": {"state": "successful", "output": label, "dir_name": "/label"},
        }


class Answers(CommandListener):
    """Counts the documents that the server sends."""

    n = 0

    def succeeded(self, event):
        reply = event.reply.get("cursor", {})
        self.n += len(reply.get("firstBatch", reply.get("nextBatch", ())))

    def started(self, event): ...

    def failed(self, event): ...


def open_store(uri, database, listener=None) -> JobStore:
    common = {"uri": uri, "database": database}
    options = {"event_listeners": [listener]} if listener else {}
    store = JobStore.from_dict_spec(
        {
            "docs_store": {
                "type": "MongoURIStore",
                "collection_name": "docs",
                "mongoclient_kwargs": options,
                **common,
            },
            "additional_stores": {
                "data": {"type": "GridFSURIStore", "collection_name": "data", **common}
            },
        }
    )
    store.connect()
    return store


@pytest.fixture
def database(mongo_uri, request):
    name = f"bench_{request.node.name[:20]}".replace("[", "_")
    yield name
    with MongoClient(mongo_uri) as client:
        client.drop_database(name)


def timed(work):
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def test_labels_are_found_among_many(mongo_uri, database, monkeypatch):
    """Every query reads little more than what it finds, and none the collection."""
    answers = Answers()
    store = open_store(mongo_uri, database, answers)
    collection = store.docs_store._collection
    batch = []
    for document in labels(N_LABELS):
        batch.append(document)
        if len(batch) == 2000:
            collection.insert_many(batch)
            batch = []
    loop = next(labels(1)) | {"uuid": "loop", "name": "active learning", "output": {}}
    collection.insert_one({k: v for k, v in loop.items() if k != "_id"})

    def ask():
        found = {}
        for name, query in QUERIES.items():
            before = answers.n
            campaign = Campaign(store, "large-uuid")
            labels_found, seconds = timed(lambda c=campaign, q=query: c.labels(q))
            found[name] = (seconds, len(labels_found), answers.n - before)
        return found

    without = ask()
    made, seconds = timed(lambda: ensure_indexes(store))
    assert made
    within = ask()
    table = Table("query", "found", "sent", "indexed (s)", "not indexed (s)")
    for name, (time_indexed, n, sent) in within.items():
        table.add_row(
            name, str(n), str(sent), f"{time_indexed:.3f}", f"{without[name][0]:.2f}"
        )
    console = Console(width=100)
    console.print(f"\n{N_LABELS} labels; all indexes made in {seconds:.1f} s")
    console.print(table)
    for name, (time_indexed, n, sent) in within.items():
        assert n == without[name][1] > 0
        assert sent <= 0.01 * N_LABELS
        assert time_indexed < 0.2 * without[name][0]


def test_status_and_report_of_a_large_campaign(
    mongo_uri, database, synthetic_campaign, tmp_path
):
    """A terminal's answer in 2 s, the report in 20 s."""
    store = open_store(mongo_uri, database)
    ensure_indexes(store)
    synthetic_campaign(store, n_frames=N_FRAMES, n_iterations=5, finished=False)

    def show_status():
        campaign = Campaign.from_store(store, "synthetic")
        failures = campaign.failures.to_dict("records")
        Console().print(status_view(campaign.status, campaign.iteration_docs, failures))

    _, status_seconds = timed(show_status)
    path, report_seconds = timed(
        lambda: write_report(Campaign.from_store(store, "synthetic"), tmp_path)
    )
    print(  # noqa: T201
        f"\n{N_FRAMES} frames: status {status_seconds:.2f} s, report "
        f"{report_seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB"
    )
    assert status_seconds < 2
    assert report_seconds < 20
