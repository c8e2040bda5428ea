"""Where a run on this machine keeps what a killed job had finished."""

from types import SimpleNamespace

import pytest
from jobflow import JobStore
from maggma.stores import MemoryStore

from flowpot.local_run import _caches, _result
from flowpot.settings import get_settings


def test_labels_and_trainings_are_kept_beside_the_jobs(tmp_path, monkeypatch):
    """For as long as the run lasts, and where the user has no place for them."""
    monkeypatch.delenv("FLOWPOT_LABEL_CACHE", raising=False)
    monkeypatch.setenv("FLOWPOT_TRAINING_CACHE", str(tmp_path / "of the user"))

    def interrupted():
        with _caches(tmp_path):
            seen.append(get_settings())
            raise KeyboardInterrupt

    before, seen = get_settings(), []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert get_settings() == before
    places = [(during.LABEL_CACHE, during.TRAINING_CACHE) for during in seen]
    assert places == [(tmp_path / "labels", tmp_path / "of the user")]


def test_why_there_is_no_result(tmp_path):
    """Not that the store has no such campaign, which follows from it."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    flow = SimpleNamespace(output=SimpleNamespace(uuid="loop"))
    reason = "OverflowError: MongoDB can only handle up to 8-byte ints"
    run = SimpleNamespace(store=store, folder=tmp_path, failures={"loop": reason})
    with pytest.raises(RuntimeError, match=f"'active learning' failed, .*: {reason}"):
        _result(run, flow)
    run.failures = {"another": reason}
    with pytest.raises(LookupError, match="no campaign 'loop'"):
        _result(run, flow)
