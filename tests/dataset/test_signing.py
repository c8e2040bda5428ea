"""With a key, nothing is read that somebody without it has put into a store."""

import pickle
from pathlib import Path

import pytest

from flowpot.dataset import Artifact
from flowpot.dataset.artifact import ArtifactError
from flowpot.potentials import load_potential
from flowpot.settings import get_settings


class Planted:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture(params=["inline", "root"])
def place(request, tmp_path, monkeypatch):
    if request.param == "root":
        monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path / "root"))


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("FLOWPOT_SIGNING_KEY", "ours")


def test_a_planted_model_is_not_unpickled(place, monkeypatch, tmp_path):
    mark = tmp_path / "mark"
    planted = Artifact.from_bytes("a.model", pickle.dumps(Planted(mark)))
    monkeypatch.setenv("FLOWPOT_SIGNING_KEY", "theirs")
    forged = planted.signed()
    monkeypatch.setenv("FLOWPOT_SIGNING_KEY", "ours")
    for model in (planted, forged, {"model": planted.model_dump(), "backend": "mace"}):
        with pytest.raises(ArtifactError, match="no signature by FLOWPOT_SIGNING_KEY"):
            load_potential(model)
    for suffix in ("h5", "json", "ckpt"):  # whatever it is called
        renamed = planted.model_copy(update={"name": f"a.{suffix}"})
        with pytest.raises(ArtifactError, match="no signature"):
            renamed.to_file(tmp_path / "copy")
    assert not mark.exists()


def test_what_was_signed_is_read(place, key):
    kept = Artifact.from_bytes("a.model", b"weights")
    again = Artifact.model_validate_json(kept.model_dump_json())
    assert again.read_bytes() == b"weights"


def test_without_a_key_nothing_changes(place, monkeypatch):
    old = Artifact.from_bytes("a.model", b"weights")
    assert old.signature is None
    assert old.read_bytes() == b"weights"
    monkeypatch.setenv("FLOWPOT_SIGNING_KEY", "ours")
    assert old.signed().read_bytes() == b"weights"


def test_a_signature_is_of_one_content(key):
    one, two = (Artifact.from_bytes("a.model", c) for c in (b"one", b"two"))
    moved = two.model_copy(update={"signature": one.signature})
    with pytest.raises(ArtifactError, match="no signature"):
        moved.read_bytes()


def test_the_key_is_not_shown(key):
    assert "ours" not in repr(get_settings())
    assert "ours" not in str(get_settings().model_dump(mode="json"))
