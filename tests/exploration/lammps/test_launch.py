"""Driver processes: several at once, killed, timed out, never left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ase.build import bulk

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.launch import run_drivers
from flowpot.exploration.lammps.run import Run, read_outcome, write_run
from flowpot.exploration.lammps.script import Output

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
