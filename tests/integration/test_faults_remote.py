"""
A campaign under jobflow-remote while things break: the same dataset comes out.

Each fault is injected for real. A label that was finished is never computed again.
What can break any job is tried on a campaign that only labels; what has to do with the
stages, on two whole iterations.
"""

import time
from pathlib import Path

import psutil
import pytest
from ase.build import bulk
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.state import JobState
from logged_emt import LoggedEMTMaker, is_labelling, n_recomputed
from remote_runner import RemoteRunner

from flowpot import Campaign, Dataset

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("faults"),
]


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "labels.log"


LABELS_ONLY = {"training": None, "exploration": None, "evaluation": None}


@pytest.fixture(scope="module")
def labelled(run_undisturbed) -> Dataset:
    """The dataset of the campaign that only labels."""
    return run_undisturbed(**LABELS_ONLY)


@pytest.fixture
def submit(copper_campaign, log):
    """Submit the campaign: labels on the worker `dft`, the rest on `main`."""

    def send(name: str = "copper", worker: str = "dft", **fields) -> None:
        labeller = LoggedEMTMaker(log=str(log), seconds=2.0)
        campaign = copper_campaign(labeller, name=name, **fields)
        flow = campaign.make([bulk("Cu", cubic=True)])
        set_run_config(flow, name_filter="qe static", worker=worker, dynamic=True)
        submit_flow(flow, worker="main")

    return send


def dataset_of(runner: RemoteRunner, name: str = "copper") -> Dataset:
    return Campaign.from_store(runner.project.get_jobstore(), name).dataset()


def in_progress(runner: RemoteRunner, name: str, program: str):
    """Return a job, once a program is running in its folder or on its behalf."""

    def found():
        for info in runner.jobs(name, JobState.RUNNING, JobState.SUBMITTED):
            for process in psutil.process_iter(["cmdline", "cwd"]):
                command = " ".join(process.info["cmdline"] or [])
                place = f"{command} {process.info['cwd']}"
                if program in command and str(info.run_dir) in place:
                    return info
        return None

    return runner.wait_for(found)


def a_label_in_progress(runner: RemoteRunner, log: Path, n_finished: int):
    """Wait until so many labels are finished and another has begun; give its job."""
    runner.wait_for(lambda: is_labelling(log, n_finished))
    return in_progress(runner, "qe static", "execution run")


def unlock(runner: RemoteRunner) -> None:
    """Remove the locks that a killed runner left, as its manual says."""
    runner.jf("admin", "unlock", "-y")
    runner.jf("admin", "unlock-flow", "-y")


def test_killed_workers(runner, submit, undisturbed, assert_same, log):
    """Killed in the middle of a label, of training and of MD: nobody has to act."""
    submit()
    runner.start()
    killed = [a_label_in_progress(runner, log, 2)]
    runner.kill_worker(killed[0])
    for name, program in (("mace train", "mace_run_train"), ("lammps md", "execution")):
        killed.append(in_progress(runner, name, program))
        time.sleep(2)
        runner.kill_worker(killed[-1])
    states = runner.finish()
    for info in killed:
        assert runner.controller.get_job_info(db_id=info.db_id).state.value == "FAILED"
    assert states == {JobState.FAILED: 3, JobState.COMPLETED: sum(states.values()) - 3}
    assert_same(dataset_of(runner), undisturbed)
    assert n_recomputed(log) == 0
    labels = runner.jobs("qe static")
    assert {info.worker for info in labels} == {"dft"}  # the second tries too


def test_killed_evaluation(runner, submit, log):
    """The next iteration evaluates the frames: nothing is trained or explored again."""
    submit()
    runner.start()
    killed = in_progress(runner, "evaluate committee", "execution")
    runner.kill_worker(killed)
    states = runner.finish()
    assert states == {JobState.FAILED: 1, JobState.COMPLETED: sum(states.values()) - 1}
    store = runner.project.get_jobstore()
    campaign = Campaign.from_store(store, "copper")
    first, second = campaign.iteration_docs
    assert (first.failed_stage, first.failure) == ("evaluation", None)
    assert (second.failed_stage, second.n_labelled, second.metrics) == (None,) * 3
    assert second.n_explored
    assert campaign.doc.stop_kind == "max_iterations"
    assert n_recomputed(log) == 0


def test_killed_runner(runner, submit, labelled, assert_same, log):
    """Killed twice, with jobs at work: the user unlocks and starts it again."""
    submit(**LABELS_ONLY)
    for n_finished in (2, len(labelled) - 2):
        runner.start()
        a_label_in_progress(runner, log, n_finished)
        runner.kill()
        time.sleep(5)
        unlock(runner)
    runner.start()
    assert set(runner.finish()) == {JobState.COMPLETED}
    assert_same(dataset_of(runner), labelled)
    assert n_recomputed(log) == 0


def test_rerun_by_hand(runner, submit, labelled, assert_same, log):
    """`jf job rerun` of a label at work."""
    submit(**LABELS_ONLY)
    runner.start()
    info = a_label_in_progress(runner, log, 2)
    runner.jf("job", "rerun", info.db_id, "-w", "30")
    assert set(runner.finish()) == {JobState.COMPLETED}
    assert_same(dataset_of(runner), labelled)
    # jobflow-remote kills its script, not what that has started: the label may be
    # finished before it is begun again.
    assert n_recomputed(log) <= 1


def test_two_campaigns_in_one_store(runner, submit, labelled, assert_same, log):
    submit("first", **LABELS_ONLY)
    submit("second", worker="main", **LABELS_ONLY)
    runner.start()
    assert set(runner.finish(1800)) == {JobState.COMPLETED}
    for name in ("first", "second"):
        assert_same(dataset_of(runner, name), labelled)


def test_full_disk(
    new_project,
    mongo_uri,
    local_worker,
    small_disk,
    submit,
    labelled,
    assert_same,
    log,
):
    """Labels find the disk full: what hangs is rerun when there is space again."""
    disk = small_disk("8m")
    workers = {
        "main": local_worker,
        "dft": local_worker | {"work_dir": str(disk)},
    }
    project = new_project(mongo_uri, workers)
    runner = RemoteRunner(project)
    submit(**LABELS_ONLY)
    runner.start()
    a_label_in_progress(runner, log, 2)
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(9_000_000))
    broken = (JobState.REMOTE_ERROR, JobState.FAILED)
    runner.wait_for(lambda: runner.jobs("qe static", *broken))
    time.sleep(10)
    ballast.unlink()
    runner.finish()
    hanging = runner.jobs("qe static", JobState.REMOTE_ERROR)
    for info in hanging:
        runner.jf("job", "rerun", info.db_id, "-w", "30")
    runner.finish()
    assert_same(dataset_of(runner), labelled)
    assert n_recomputed(log) == 0


def test_stopped_database(
    new_project, own_mongo, local_worker, submit, labelled, assert_same, log
):
    """Away for a minute: with a URI that lets the runner wait, nobody has to act."""
    patient = own_mongo.uri + "&serverSelectionTimeoutMS=300000"
    runner = RemoteRunner(new_project(patient, {"main": local_worker}))
    submit(worker="main", **LABELS_ONLY)
    runner.start()
    a_label_in_progress(runner, log, 3)
    own_mongo.stop()
    time.sleep(60)
    own_mongo.start()
    assert set(runner.finish(1800)) == {JobState.COMPLETED}
    assert_same(dataset_of(runner), labelled)
    assert n_recomputed(log) == 0
