"""The engines: their contract, their registry, and what they may import."""

import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from ase.build import bulk

import flowpot.exploration.engine
from flowpot.exploration import BatchedMDMaker, LammpsMDMaker, MDMaker
from flowpot.exploration.contract import check_engine
from flowpot.exploration.registry import default_engine, engines


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize("engine", [LammpsMDMaker(), BatchedMDMaker()])
def test_contract(engine, copper, emt):
    check_engine(engine, copper, emt)


@dataclass
class Forgetful(BatchedMDMaker):
    """Loses the last frame of each trajectory."""

    def simulate(self, planned, committee):
        shorter = [
            replace(p, conditions=replace(p.conditions, n_steps=15)) for p in planned
        ]
        return super().simulate(shorter, committee)


@dataclass
class Careless(BatchedMDMaker):
    """Leaves a field out of its serialised form."""

    def as_dict(self):
        fields = super().as_dict()
        del fields["n_steps"]
        return fields


@pytest.mark.parametrize(
    ("engine", "promise"),
    [
        (Forgetful(), "all steps are counted"),
        (Careless(), "the same after it was serialised"),
    ],
)
def test_an_engine_that_breaks_a_promise_is_told_which(engine, promise, copper, emt):
    with pytest.raises(AssertionError, match=promise):
        check_engine(engine, copper, emt)


def test_frames_that_cannot_be_read_raise_their_own_error(emt, clean_dir):
    maker = BatchedMDMaker()
    run = MDMaker.run_several.original
    with pytest.raises((TypeError, ValueError), match="int"):
        run(maker, [7], [maker.conditions()], emt, 0, None)


def test_engines_of_other_packages_are_found_by_entry_points(monkeypatch):
    assert set(engines()) == {"LammpsMDMaker", "BatchedMDMaker"}
    assert default_engine() == LammpsMDMaker()
    name = f"{__name__}:Forgetful"
    point = EntryPoint("forgetful", name, "flowpot.md_engines")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Forgetful)
    monkeypatch.setattr("flowpot.plugins.entry_points", lambda **_: [point])
    assert engines()["Forgetful"] is Forgetful
    monkeypatch.setattr(EntryPoint, "load", lambda _: dict)
    with pytest.raises(TypeError, match="subclass of flowpot"):
        engines()


def test_what_all_engines_share_imports_none_of_them():
    folder = Path(flowpot.exploration.engine.__file__).parent
    for file in folder.glob("*.py"):
        if file.name != "__init__.py":
            text = file.read_text()
            assert "import flowpot.exploration.lammps" not in text, file
            assert "from flowpot.exploration.lammps" not in text, file
    batched = "".join(file.read_text() for file in (folder / "batched").glob("*.py"))
    assert "exploration.lammps" not in batched


def test_stored_names_are_still_found():
    """Makers and runs of earlier versions name the modules of their time."""
    code = (
        "from flowpot.exploration.lammps.conditions import Conditions;"
        "from flowpot.exploration.lammps.sanity import SanityLimits;"
        "from flowpot.exploration.lammps.script import Output;"
        "from flowpot.exploration.lammps import LammpsMDMaker"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("field", "value"), [("skin", 0.0), ("bulk_modulus", -1), ("batch_size", 0)]
)
def test_what_cannot_be_meant_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        BatchedMDMaker(**{field: value})
    assert issubclass(BatchedMDMaker, MDMaker)


@pytest.mark.parametrize("engine", [LammpsMDMaker, BatchedMDMaker])
def test_paths_are_relative_to_the_user_s_folder(engine, clean_dir):
    assert engine(cache="runs").cache == str(clean_dir / "runs")
    assert engine(cache="~/runs").cache == "~/runs"


def test_a_program_s_path_is_relative_to_the_user_s_folder(clean_dir):
    (clean_dir / "build").mkdir()
    (clean_dir / "build/lmp").touch()
    command = LammpsMDMaker(lammps_command="mpirun -np 2 build/lmp").lammps_command
    assert command == f"mpirun -np 2 {clean_dir}/build/lmp"
    for command in ("lmp", "srun lmp -k on", "/opt/no/such/lmp"):
        assert LammpsMDMaker(lammps_command=command).lammps_command == command


def test_short_runs_share_a_job_by_default(monkeypatch):
    """Beside 20,000 steps the start-up of a job does not count."""
    monkeypatch.delenv("FLOWPOT_MD_WORKERS", raising=False)
    short, long = (LammpsMDMaker(n_steps=steps) for steps in (1_000, 50_000))
    assert (short.runs_to_share(40), long.runs_to_share(40)) == (20, 1)
    assert LammpsMDMaker(n_steps=50_000, processes=4).runs_to_share(40) == 4
    assert BatchedMDMaker(n_steps=50_000).runs_to_share(40) == 40
    monkeypatch.setenv("FLOWPOT_MD_WORKERS", "8")
    assert [m.runs_to_share(40) for m in (short, long)] == [5, 5]
