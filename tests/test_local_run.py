"""Where a run on this machine keeps what a killed job had finished."""

import pytest

from flowpot.local_run import _caches
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
