"""A campaign in one process that is killed, or finds the disk full, and taken up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import local_campaign
import psutil
import pytest
from ase.build import bulk
from logged_emt import LoggedEMTMaker, is_labelling, n_recomputed
from monty.json import MontyEncoder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("faults"),
]


@pytest.fixture
def prepared(tmp_path, copper_campaign):
    """Write down a campaign that no process has begun yet."""

    def prepare(folder: Path) -> Path:
        labeller = LoggedEMTMaker(log=str(tmp_path / "labels.log"), seconds=0.5)
        flow = copper_campaign(labeller).make([bulk("Cu", cubic=True)])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "flow.json").write_text(json.dumps(flow, cls=MontyEncoder))
        return tmp_path / "labels.log"

    return prepare


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a process that runs the campaign, or takes it up."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = [str(Path(local_campaign.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    processes = []

    def begin() -> subprocess.Popen:
        command = [sys.executable, local_campaign.__file__, str(tmp_path)]
        processes.append(
            subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
        )
        return processes[-1]

    yield begin
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def kill_when(process: subprocess.Popen, condition) -> None:
    """Kill a process and what it started, once something is true."""
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    for each in [psutil.Process(process.pid), *family]:
        each.kill()
    process.wait()


def test_killed_at_every_stage(tmp_path, prepared, start, undisturbed, assert_same):
    run = tmp_path / "run"
    log = prepared(run)
    first = start()
    kill_when(first, lambda: is_labelling(log, 3))
    second = start()
    kill_when(
        second,
        lambda: any(
            "mace_run_train" in " ".join(child.cmdline())
            for child in psutil.Process(second.pid).children(recursive=True)
        ),
    )
    third = start()
    kill_when(third, lambda: any(run.glob("jobs/*/**/log.lammps")))
    assert start().wait(timeout=900) == 0
    campaign = local_campaign.run(tmp_path)  # where nothing is left to do
    assert_same(campaign.dataset(), undisturbed)
    assert n_recomputed(log) == 0


def test_full_disk(tmp_path, small_disk, prepared, start, undisturbed, assert_same):
    """The run stops and says so; taken up with space again, it lacks nothing."""
    disk = small_disk("40m")
    (tmp_path / "run").symlink_to(disk)
    log = prepared(disk)
    process = start()
    while not is_labelling(log, 3):
        time.sleep(0.05)
    with pytest.raises(OSError, match="No space left"):
        (disk / "ballast").write_bytes(bytes(50_000_000))
    assert process.wait(timeout=300) == 1
    assert "is full: make space" in process.stderr.read().decode()
    (disk / "ballast").unlink()
    assert start().wait(timeout=900) == 0
    campaign = local_campaign.run(tmp_path)
    assert_same(campaign.dataset(), undisturbed)
    # The label whose job could not be noted any more, if there was one.
    assert n_recomputed(log) <= 1
