"""Fixtures that every test may use."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore
from maggma.stores import MemoryStore
from pymongo import MongoClient
from pymongo.errors import PyMongoError

_START_SECONDS = 60


@pytest.fixture
def jobstore() -> JobStore:
    """An in-memory JobStore with the default `data` store, as atomate2's tests use."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    return store


@pytest.fixture
def clean_dir(tmp_path, monkeypatch):
    """Run the test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def silicon() -> Atoms:
    """The 8-atom diamond cell of silicon at its PBE lattice constant (A)."""
    return bulk("Si", "diamond", a=5.47, cubic=True)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory):
    """
    The URI of a MongoDB server: FLOWPOT_TEST_MONGO_URI's, or one started here.

    The one started here is SecantusDB, in a process of its own.
    """
    given = os.environ.get("FLOWPOT_TEST_MONGO_URI")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("mongo")
    port = _free_port()
    uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(Path(sys.executable).parent / "secantusd-py", "--standalone"),
                *("--port", str(port), "--storage-path", folder / "db"),
                *("--cache-size", "256M", "--log-level", "WARNING"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(uri, server, folder / "server.log")
        yield uri
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(uri: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with MongoClient(uri, serverSelectionTimeoutMS=500) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                client.admin.command("ping")
            except PyMongoError:
                time.sleep(0.1)
            else:
                return
    raise RuntimeError(f"the MongoDB server did not answer:\n{log.read_text()}")
