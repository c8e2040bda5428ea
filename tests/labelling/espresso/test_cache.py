"""The cache of labels: believed only where it is what was written."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import molecule

from flowpot.labelling.espresso.cache import (
    DamagedEntryError,
    LabelCache,
    calculation_key,
)

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


def test_the_key_of_a_periodic_frame_is_that_of_its_input(cheap, pair):
    """So that the entries of earlier versions stay valid."""
    inputs = cheap.get_input_set(pair)
    kept = [
        line
        for line in inputs.text.splitlines(keepends=True)
        if line.partition("=")[0].strip() not in ("pseudo_dir", "outdir", "disk_io")
    ]
    text = "".join([*kept, "\nSi=sum"])
    key = calculation_key(inputs, {"Si": "sum"})
    assert key == hashlib.sha256(text.encode()).hexdigest()


def test_the_key_of_a_molecule_holds_its_own_box(cheap):
    """Whatever box pw.x gets."""
    maker = replace(cheap, assume_isolated="auto")
    water = molecule("H2O", vacuum=2.0)
    same, larger, shifted = (water.copy() for _ in range(3))
    larger.cell[2, 2] += 0.5
    shifted.positions += 1e-12
    inputs = [maker.get_input_set(one) for one in (water, same, larger, shifted)]
    assert len({one.text for one in inputs}) == 1
    md5 = {"H": "sum", "O": "sum"}
    keys = [calculation_key(one, md5) for one in inputs]
    assert keys[0] == keys[1] == keys[3] != keys[2]
