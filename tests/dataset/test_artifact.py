"""Files by content: inline or under a root, checked, stored once."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest
from pydantic import ValidationError

from flowpot.dataset import Artifact, Dataset

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["inline", "folder", "memory"])
def root(request, tmp_path, monkeypatch):
    """Where artifacts are kept."""
    if request.param == "inline":
        monkeypatch.delenv("FLOWPOT_ARTIFACT_ROOT", raising=False)
        return None
    url = tmp_path / "new" / "root"
    if request.param == "memory":
        url = f"memory://{uuid.uuid4().hex}"
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(url))
    return str(url)


def test_content_comes_back(root, tmp_path):
    artifact = Artifact.from_bytes("model.pt", CONTENT)
    assert artifact.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert artifact.size == len(CONTENT)
    assert (artifact.blob is None) == (root is not None)
    assert artifact.read_bytes() == CONTENT
    again = Artifact.model_validate_json(artifact.model_dump_json())
    assert again == artifact
    assert artifact.to_file(tmp_path) == tmp_path / "model.pt"
    assert artifact.to_file(tmp_path / "deep" / "x.pt").read_bytes() == CONTENT


def test_printing_does_not_show_the_content(root):
    artifact = Artifact.from_bytes("model.pt", CONTENT)
    assert artifact.sha256 in repr(artifact)
    assert len(repr(artifact)) < 500 < len(CONTENT)


def test_files_become_artifacts(root, tmp_path):
    (tmp_path / "weights.model").write_bytes(CONTENT)
    artifact = Artifact.from_file(tmp_path / "weights.model")
    assert artifact.name == "weights.model"
    assert artifact.read_bytes() == CONTENT


def test_datasets_become_artifacts(root, random_dataset, assert_same):
    artifact = random_dataset(5).to_artifact("shard.h5")
    assert artifact.name == "shard.h5"
    assert_same(Dataset.load(artifact), random_dataset(5))


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_equal_content_is_stored_once(protocol, tmp_path, monkeypatch):
    root = f"{protocol}://{tmp_path}/store"
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", root)
    one = Artifact.from_bytes("a.h5", CONTENT)
    two = Artifact.from_bytes("b.h5", CONTENT)
    three = Artifact.from_bytes("c.h5", CONTENT + b"!")
    assert one.uri == two.uri != three.uri
    assert one.sha256 in one.uri
    fs, folder = fsspec.core.url_to_fs(root)
    assert len(fs.find(folder)) == 2


def test_what_is_stored_is_not_written_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    Artifact.from_bytes("a.h5", CONTENT)
    (path,) = tmp_path.rglob("*.h5")
    before = path.stat()
    Artifact.from_bytes("a.h5", CONTENT)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_a_torn_file_is_replaced(tmp_path, monkeypatch):
    """One that another program left half written, say."""
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    artifact = Artifact.from_bytes("a.h5", CONTENT)
    (path,) = tmp_path.rglob("*.h5")
    path.write_bytes(CONTENT[:100])
    Artifact.from_bytes("a.h5", CONTENT)
    assert artifact.read_bytes() == CONTENT


def test_many_workers_may_write_and_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    content = CONTENT * 200

    def write_and_read(_):
        return Artifact.from_bytes("a.h5", content).read_bytes() == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_read, range(40)))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_content_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    artifact = Artifact.from_bytes("a.h5", CONTENT)
    next(tmp_path.rglob("*.h5")).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"'a.h5' is not at file:.*every worker"
    ):
        artifact.read_bytes()


@pytest.mark.parametrize("name", ["", "a/b.h5", "../b.h5"])
def test_names_are_file_names(name):
    with pytest.raises(ValidationError, match="without folders"):
        Artifact.from_bytes(name, CONTENT)


@pytest.mark.parametrize("where", [{}, {"blob": "AA==", "uri": "memory://x"}])
def test_content_is_in_one_place(where):
    with pytest.raises(ValidationError, match="either blob or uri"):
        Artifact(name="a", sha256="0", size=1, **where)
