"""The cache of labels: believed only where it is what was written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from flowpot.labelling.espresso.cache import DamagedEntryError, LabelCache

pytestmark = pytest.mark.qe


@pytest.fixture
def cached(cheap, pair, tmp_path):
    """A maker, its label, and the file of that in the cache."""
    maker = replace(cheap, cache=str(tmp_path / "cache"))
    document = maker.label_in(pair, tmp_path / "run")
    (path,) = (tmp_path / "cache").rglob("*.json")
    return maker, document, path


def spoil(path: Path) -> list[bytes]:
    """Ways in which a file is no longer what it was."""
    good = path.read_bytes()
    entry = json.loads(good)
    energy = json.loads(entry["document"])["output"]["energy"]
    changed = entry["document"].replace(str(energy), str(energy + 100))
    assert changed != entry["document"]
    return [
        b"\xff\xfe\x00\x80" + good,
        good[: len(good) // 2],
        b"",
        b"[1, 2]",
        b"null",
        json.dumps(entry | {"document": changed}).encode(),
        json.dumps({"document": entry["document"]}).encode(),
        entry["document"].encode(),  # as earlier versions wrote it
        json.dumps(entry | {"document": None}).encode(),
    ]


def test_a_damaged_entry_is_told_from_a_good_one(cached):
    _, document, path = cached
    cache = LabelCache(path.parent.parent)
    key, version = path.stem.split("-", 1)
    assert version == document.versions["quantum-espresso"]
    good = path.read_bytes()
    for bad in spoil(path):
        path.write_bytes(bad)
        with pytest.raises(DamagedEntryError, match=re.escape(str(path))):
            cache.find(key, lambda: version)
    path.write_bytes(good)
    assert cache.find(key, lambda: version).output == document.output
    assert cache.find("00" + key[2:], lambda: pytest.fail("nobody asks")) is None


@pytest.mark.parametrize("which", [0, 5])
def test_a_damaged_entry_is_computed_again_and_said(cached, pair, tmp_path, which):
    maker, document, path = cached
    path.write_bytes(spoil(path)[which])
    again = maker.label_in(pair, tmp_path / "again")
    assert not again.from_cache
    assert again.output.energy == pytest.approx(document.output.energy, abs=1e-8)
    assert "its entry in the cache was not used" in again.warnings[0]
    third = maker.label_in(pair, tmp_path / "third")  # the entry is mended
    assert third.from_cache
    assert third.output == again.output


def test_another_version_of_pw_computes_anew(cached, pair, tmp_path, monkeypatch):
    maker, _, path = cached
    script = tmp_path / "newer" / "pw.x"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\npw.x "$@" | sed "s/v.6.7MaX/v.7.4.1/"\n')
    script.chmod(0o755)
    monkeypatch.setenv("FLOWPOT_PW_CMD", f"sh {script}")
    newer = maker.label_in(pair, tmp_path / "newer-run")
    assert not newer.from_cache
    assert newer.versions["quantum-espresso"] == "7.4.1"
    assert len(list(path.parent.glob("*.json"))) == 2
    assert maker.label_in(pair, tmp_path / "newer-run").from_cache
    monkeypatch.delenv("FLOWPOT_PW_CMD")
    older = maker.label_in(pair, tmp_path / "older-run")
    assert older.from_cache
    assert older.versions["quantum-espresso"] == "6.7MaX"
