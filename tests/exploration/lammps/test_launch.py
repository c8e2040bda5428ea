"""Driver processes: several at once, killed, timed out, never left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from ase.build import bulk

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.launch import run_drivers
from flowpot.exploration.lammps.run import Run, read_outcome, write_run
from flowpot.exploration.lammps.script import Output
from flowpot.exploration.members import stage_member

EMT = {"calculator": "ase.calculators.emt.EMT", "kwargs": {}}


@pytest.fixture
def folder(tmp_path):
    """A run of hours, that writes a restart file every few steps."""
    plan = Run(Conditions(n_steps=10**7), Output(100, restart_interval=20), [EMT])
    write_run(tmp_path / "run", plan, bulk("Cu", cubic=True))
    return tmp_path / "run"


def drivers_of(folder: Path) -> list[int]:
    """Process ids of the drivers at work in a folder."""
    drivers = []
    for process in Path("/proc").glob("[0-9]*"):
        command = b""
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_bytes()
        if b"lammps.driver" in command and str(folder).encode() in command:
            drivers.append(int(process.name))
    return drivers


def happens(condition, seconds=300.0) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_timeout_ends_the_driver(folder):
    [outcome] = run_drivers([folder], timeout=1.0)
    assert "out of time" in outcome.error
    assert drivers_of(folder) == []


@pytest.fixture
def launcher(folder):
    """Start a driver from a process of its own; neither outlives the test."""
    code = (
        # A shell's background jobs, tests among them, ignore interrupts.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from flowpot.exploration.lammps.launch import "
        f"run_drivers; run_drivers([Path({str(folder)!r})])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()
    for driver in drivers_of(folder):
        os.kill(driver, signal.SIGKILL)


def test_no_driver_survives_an_interrupt(launcher, folder):
    assert happens((folder / "restart.a").exists)
    launcher.send_signal(signal.SIGINT)
    launcher.wait(300)
    assert happens(lambda: drivers_of(folder) == [])


def test_no_driver_survives_the_death_of_its_parent(launcher, folder):
    assert happens((folder / "restart.a").exists)
    launcher.kill()
    launcher.wait(300)
    assert happens(lambda: drivers_of(folder) == [])
    assert read_outcome(folder) is None  # so that it can be resumed


def test_a_killed_driver_is_started_again_and_resumes(launcher, folder):
    assert happens((folder / "restart.b").exists)
    [driver] = drivers_of(folder)
    os.kill(driver, signal.SIGKILL)
    assert happens(lambda: drivers_of(folder) not in ([], [driver]))
    assert happens(lambda: "read_restart" in (folder / "in.lammps").read_text())
    launcher.send_signal(signal.SIGINT)
    launcher.wait(300)


SAYS_ENVIRONMENT = """
import os
from ase.calculators.emt import EMT

class SayingEMT(EMT):
    def __init__(self):
        super().__init__()
        names = ("CUDA_VISIBLE_DEVICES", "MALLOC_TRIM_THRESHOLD_")
        print("has", *(os.environ.get(name) for name in names))
"""


def test_drivers_get_the_gpus_in_turn(tmp_path, monkeypatch):
    """Of the GPUs that `CUDA_VISIBLE_DEVICES` names, in its order."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-b,MIG-a")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "saying.py").write_text(SAYS_ENVIRONMENT)
    member = stage_member(import_module("saying").SayingEMT, tmp_path)
    folders = [tmp_path / f"run-{i}" for i in range(2)]
    for folder in folders:
        plan = Run(Conditions(n_steps=2), Output(1), [member])
        write_run(folder, plan, bulk("Cu", cubic=True))
    assert [o.error for o in run_drivers(folders, processes=2)] == [None, None]
    logs = [(folder / "driver.log").read_text() for folder in folders]
    assert f"has MIG-b {512 * 2**20}" in logs[0]
    assert f"has MIG-a {512 * 2**20}" in logs[1]


@pytest.mark.slow
def test_processes_share_the_runs(tmp_path):
    folders = [tmp_path / f"run-{i}" for i in range(3)]
    for folder in folders:
        plan = Run(Conditions(n_steps=20), Output(10), [EMT])
        write_run(folder, plan, bulk("Cu", cubic=True))
    outcomes = run_drivers(folders, processes=2)
    assert [o.n_steps for o in outcomes] == [20, 20, 20]
    logs = [(folder / "driver.log").exists() for folder in folders]
    assert logs == [True, True, False]
