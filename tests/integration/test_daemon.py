"""
The runner as a daemon, with pw.x on one worker and all else on another.

Silicon with settings at which pw.x takes a second or so; one pw.x is killed on the way.
"""

import os
import signal

import psutil
import pytest
from ase.build import bulk
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.state import JobState
from pymatgen.core import Structure
from remote_runner import RemoteRunner

from flowpot import Campaign, Dataset, EspressoStaticMaker

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.qe,
    pytest.mark.timeout(3600),
]


@pytest.fixture
def labeller() -> EspressoStaticMaker:
    """Small physics, real engine."""
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=0.5,
        user_settings={"SYSTEM": {"ecutwfc": 14.0}},
    )


@pytest.fixture
def daemon(runner):
    """Start and stop jobflow-remote's daemon, as a user does."""
    runner.jf("runner", "start", "--single")
    try:
        yield runner
    finally:
        runner.jf("runner", "stop", "--wait")
        runner.jf("runner", "shutdown", "--wait")
        assert "shut_down" in runner.jf("runner", "status").lower()


def running_pw(runner: RemoteRunner) -> psutil.Process | None:
    """Return a pw.x at work in one of the jobs' folders."""
    folders = [str(info.run_dir) for info in runner.jobs("qe static")]
    for process in psutil.process_iter(["name", "cwd"]):
        found = process.info
        if found["name"] == "pw.x" and (found["cwd"] or "").startswith(tuple(folders)):
            return process
    return None


def test_a_campaign_under_the_daemon(daemon, copper_campaign, labeller, tmp_path):
    assert "running" in daemon.jf("runner", "status").lower()
    campaign = copper_campaign(labeller, name="silicon")
    flow = campaign.make([bulk("Si", "diamond", a=5.47)])
    set_run_config(flow, name_filter="qe static", worker="dft", dynamic=True)
    submit_flow(flow, worker="main")

    killed = daemon.wait_for(lambda: running_pw(daemon))
    os.kill(killed.pid, signal.SIGKILL)
    assert set(daemon.finish(3000)) == {JobState.COMPLETED}

    doc = Campaign.from_store(daemon.project.get_jobstore(), "silicon").doc
    assert doc.stop_kind == "max_iterations"
    assert [each.iteration for each in doc.iterations] == [1, 2]
    assert [each.n_failed for each in doc.iterations] == [0, 0]
    for iteration in (1, 2):
        jobs = daemon.controller.get_jobs_info(metadata={"iteration": iteration})
        assert {job.worker for job in jobs if job.name == "qe static"} == {"dft"}
        assert {job.worker for job in jobs if job.name != "qe static"} == {"main"}

    with daemon.project.get_jobstore() as store:
        corrected = store.query_one(
            {"name": "qe static", "output.corrections": {"$ne": []}}, load=True
        )["output"]
    assert "killed" in str(corrected["corrections"])
    structure = Structure.from_dict(corrected["structure"])
    (frame,) = Dataset.from_structures([structure])
    again = labeller.label_in(frame, tmp_path / "again").output
    assert again.energy == pytest.approx(corrected["output"]["energy"], abs=1e-5)
