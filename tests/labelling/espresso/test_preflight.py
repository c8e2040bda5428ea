"""What is missing is said before any engine starts, with what to do about it."""

import os
from dataclasses import replace

import pytest
from ase.build import bulk

from flowpot.labelling.espresso import (
    EspressoStaticMaker,
    PreflightError,
    PseudoFamily,
    preflight,
)


@pytest.fixture
def no_engine(monkeypatch):
    """Fail if pw.x is started."""

    def started(*args, **kwargs):
        pytest.fail("pw.x was started")

    monkeypatch.setattr("flowpot.labelling.espresso.remedies.run_pw", started)


def test_all_is_well(tmp_path):
    assert set(preflight(["Si", "C"], "debian-pbe", tmp_path)) == {"Si", "C"}


def test_missing_pw(pair, cheap, clean_dir, monkeypatch, jobstore, no_engine):
    monkeypatch.setenv("FLOWPOT_PW_CMD", "pw-of-another-machine.x")
    job = cheap.make(pair)  # a submit host needs no pw.x
    with pytest.raises(PreflightError, match="apt install quantum-espresso") as error:
        job.run(jobstore)
    assert "'pw-of-another-machine.x' of FLOWPOT_PW_CMD" in str(error.value)
    assert not list(clean_dir.glob("pw.*"))


def test_missing_launcher(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWPOT_PW_CMD", "mpirun.nowhere -np 2 pw.x")
    with pytest.raises(PreflightError, match=r"'mpirun\.nowhere'"):
        preflight(["Si"], "debian-pbe", tmp_path)


def test_missing_pseudopotential(pair, cheap, tmp_path, no_engine):
    entry = {"filename": "Si.UPF", "ecutwfc": 12.0, "ecutrho": 48.0}
    family = PseudoFamily("empty", str(tmp_path), {"Si": entry})
    maker = replace(cheap, pseudo_family=family)
    with pytest.raises(PreflightError, match=r"Si\.UPF of family 'empty' is missing"):
        maker.label_in(pair, tmp_path / "run")
    with pytest.raises(PreflightError, match="no pseudopotential for C"):
        maker.label_in(bulk("C"), tmp_path / "run")


def test_coincident_atoms_stop_make_and_label(pair, cheap, tmp_path, no_engine):
    pair.positions[1] = pair.positions[0]
    for attempt in (cheap.make, lambda atoms: cheap.label_in(atoms, tmp_path)):
        with pytest.raises(ValueError, match=r"0\.000 A apart.*Correct it first"):
            attempt(pair)


def test_unwritable_folder(pair, cheap, tmp_path, no_engine):
    """A file in the way stops root too, whom permissions do not."""
    (tmp_path / "file").touch()
    with pytest.raises(PreflightError, match="is not writable"):
        cheap.label_in(pair, tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(pair, cheap, tmp_path, no_engine):
    tmp_path.chmod(0o500)
    with pytest.raises(PreflightError, match="is not writable"):
        cheap.label_in(pair, tmp_path)


def test_fields_are_checked_when_the_maker_is_made():
    with pytest.raises(ValueError, match="protocol is 'precise'"):
        EspressoStaticMaker(protocol="precise")
    with pytest.raises(ValueError, match="kspacing is -1"):
        EspressoStaticMaker(kspacing=-1)
    with pytest.raises(ValueError, match="pseudo_family is 'gbrv'"):
        EspressoStaticMaker(pseudo_family="gbrv")
