"""Where a run on this machine keeps what a killed job had finished."""

import pytest

from flowpot.local_run import _caches
from flowpot.settings import get_settings


def test_labels_and_trainings_are_kept_beside_the_jobs(tmp_path, monkeypatch):
    """For as long as the run lasts, and where the user has no place for them."""
    monkeypatch.delenv("FLOWPOT_LABEL_CACHE", raising=False)
    monkeypatch.setenv("FLOWPOT_TRAINING_CACHE", str(tmp_path / "of the user"))
    before = get_settings()
    with pytest.raises(KeyboardInterrupt), _caches(tmp_path):
        assert get_settings().LABEL_CACHE == tmp_path / "labels"
        assert get_settings().TRAINING_CACHE == tmp_path / "of the user"
        raise KeyboardInterrupt
    assert get_settings() == before
