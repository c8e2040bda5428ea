"""Fixtures that every test may use."""

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore
from maggma.stores import MemoryStore


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
