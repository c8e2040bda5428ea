"""pw.x as a process: ended when it should be, and never on its own."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from shutil import copy

import pytest
from ase.build import bulk

from flowpot.labelling.espresso.command import run_pw
from flowpot.labelling.espresso.outputs import read_report

pytestmark = pytest.mark.qe


@pytest.fixture
def long_input(cheap, tmp_path) -> Path:
    """A folder with a calculation that takes minutes."""
    cell = bulk("Si", cubic=True) * (2, 2, 2)
    cell.rattle(0.1, seed=0)
    cheap.user_settings["SYSTEM"]["ecutwfc"] = 24.0
    cheap.kspacing = 0.3
    cheap.get_input_set(cell).write(tmp_path)
    return tmp_path


def engines_in(folder: Path) -> list[int]:
    """Return the ids of the pw.x processes whose current folder this is."""
    ids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            name = (process / "comm").read_text().strip()
            inside = (process / "cwd").resolve() == folder.resolve()
            if name == "pw.x" and inside:
                ids.append(int(process.name))
    return ids


def wait_for(condition, seconds: float = 20.0) -> bool:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_pw_does_not_outlive_its_parent(long_input):
    """Ctrl-C, a polite end and a violent one."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    folders = [long_input / how.name for how in signals]
    for folder in folders:
        folder.mkdir()
        copy(long_input / "pw.in", folder)
    fork = multiprocessing.get_context("fork")
    parents = [fork.Process(target=run_pw, args=(f, ["pw.x"])) for f in folders]
    for parent in parents:
        parent.start()
    assert wait_for(lambda: all(engines_in(folder) for folder in folders))
    for parent, how in zip(parents, signals, strict=True):
        os.kill(parent.pid, how)
    for parent, folder in zip(parents, folders, strict=True):
        parent.join(20)
        assert parent.exitcode
        assert wait_for(lambda folder=folder: not engines_in(folder))


def test_time_runs_out(cheap, tmp_path):
    cell = bulk("Si", cubic=True) * (2, 2, 2)
    cell.rattle(0.1, seed=0)
    cheap.walltime = 2.0
    cheap.user_settings["CONTROL"] = {"max_seconds": 1000}  # no clean stop
    start = time.monotonic()
    document = cheap.label_in(cell, tmp_path)
    assert time.monotonic() - start < 12
    assert document.errors[0] == "pw.x was ended after its walltime of 2.0 s"
    assert not engines_in(tmp_path)


def kill_engines(folder: Path, times: int) -> None:
    """Kill pw.x in a folder, and its successors."""
    killed: set[int] = set()
    for _ in range(times):
        assert wait_for(lambda: set(engines_in(folder)) - killed)
        for process in set(engines_in(folder)) - killed:
            os.kill(process, signal.SIGKILL)
            killed.add(process)


@pytest.mark.parametrize(("times", "state"), [(1, "successful"), (3, "failed")])
def test_pw_that_is_killed(cheap, tmp_path, times, state):
    """Once: it is tried again with less memory. Again and again: it is reported."""
    cell = bulk("Si", cubic=True)
    cell.rattle(0.1, seed=0)
    with ThreadPoolExecutor() as pool:
        future = pool.submit(cheap.label_in, cell, tmp_path)
        kill_engines(tmp_path, times)
        document = future.result()
    assert document.state == state
    remedy = document.corrections[0]
    assert remedy.handler == "OutOfMemoryHandler"
    assert remedy.actions == ["diago_david_ndim = 2", "mixing_ndim = 4"]
    if state == "failed":
        reason = "pw.x died without a message (SIGKILL, often: out of memory)"
        assert document.errors[0] == reason
        assert document.errors[1] == "OutOfMemoryHandler gave up after 2 remedies"


def test_an_error_of_pw_is_quoted(pair, cheap, tmp_path):
    cheap.user_settings["SYSTEM"]["constrained_magnetization"] = "total"
    document = cheap.label_in(pair, tmp_path)
    assert document.state == "failed"
    assert "magnetization requires nspin" in document.errors[0]
    assert document.corrections == []


def test_a_report_of_nothing(tmp_path):
    report = read_report(tmp_path)
    assert not report.converged
    assert report.version is None
    assert report.fermi_levels == []
