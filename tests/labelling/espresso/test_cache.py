"""The cache of labels: believed only where it is what was written."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import molecule

from flowpot.labelling.espresso import PreflightError
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


def earlier_entry(path: Path, document) -> None:
    """Write a document as flowpot did before it noted how outputs are read."""
    content = document.model_dump_json()
    digest = hashlib.sha256(content.encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "document": content}))


def test_earlier_entries_are_believed_but_for_what_was_misread(cached, pair, tmp_path):
    maker, document, path = cached
    document.output.magnetic_moments = [0.0, 0.0]
    earlier_entry(path, document)
    again = maker.label_in(pair, tmp_path / "again")
    assert again.from_cache
    assert again.output.magnetic_moments is None

    key, version = path.stem.split("-", 1)
    cache = LabelCache(path.parent.parent)
    for section, name, value in (
        ("system", "input_dft", "pbe0"),
        ("system", "smearing", "fermi-dirac"),
        ("system", "occupations", "tetrahedra_opt"),
        ("control", "outdir", "/scratch"),
        ("control", "disk_io", "none"),
    ):
        copy = document.model_copy(deep=True)
        copy.input.parameters[section][name] = value
        earlier_entry(path, copy)
        with pytest.raises(DamagedEntryError, match="an earlier version of flowpot"):
            cache.find(key, lambda: version)
        cache.keep(key, copy)
        assert cache.find(key, lambda: version) is not None


def test_a_cache_that_cannot_be_written_costs_no_label(cheap, pair, tmp_path):
    """As on a full disk: a file is where the entry's folder would be."""
    maker = replace(cheap, cache=str(tmp_path / "cache"))
    inputs = maker.get_input_set(pair)
    md5 = {"Si": inputs.pseudos["Si"]["md5"]}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / calculation_key(inputs, md5)[:2]).touch()
    with pytest.warns(UserWarning, match="could not be written into the cache"):
        document = maker.label_in(pair, tmp_path / "run")
    assert document.state == "successful"
    assert document.output.energy is not None
    assert "could not be written into the cache" in document.warnings[0]


@pytest.mark.parametrize("name", ["cache", "FLOWPOT_LABEL_CACHE"])
def test_a_cache_that_can_be_no_folder_is_refused_first(
    cheap, pair, tmp_path, monkeypatch, name
):
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "cache")
    if name == "cache":
        cheap.cache = place
    else:
        monkeypatch.setenv(name, place)
    with pytest.raises(PreflightError, match=rf"{name} is '.*file is a file: name a"):
        cheap.label_in(pair, tmp_path / "run")
    assert not (tmp_path / "run" / "pw.out").exists()
