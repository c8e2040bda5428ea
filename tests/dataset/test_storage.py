"""Files are on the disk before they take their place."""

import os
from pathlib import Path

import pytest

from flowpot.dataset.storage import replacing, write_whole


@pytest.fixture
def synced(monkeypatch):
    """List, in order, what was synced and what was replaced; no power is cut here."""
    events = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle):
        events.append(("synced", Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    def moved(path, target):
        events.append(("replaced", Path(path)))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", moved)
    return events


def test_content_then_place_then_folder(tmp_path, synced):
    write_whole(tmp_path / "a.json", "{}")
    (first, written), (second, replaced), (third, folder) = synced
    assert (first, second, third) == ("synced", "replaced", "synced")
    assert written == replaced
    assert folder == tmp_path
    assert (tmp_path / "a.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, b"old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
