"""Trainings that are killed, run out of time, diverge, and start from others."""

import multiprocessing
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, replace
from zipfile import is_zipfile

import numpy as np
import pytest
from jobflow import run_locally

from flowpot.run_cache import RunCache
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker
from flowpot.training.mace import MACETraining
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .metatrain.test_training import small as small_metatrain

KILL = """
import os, pathlib, signal, subprocess, sys, time, zipfile
process = subprocess.Popen(sys.argv[1:])
folder = pathlib.Path("checkpoints")
while not any(map(zipfile.is_zipfile, folder.glob("*epoch-2*.pt"))):  # whole
    time.sleep(0.02)
process.kill()
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class KilledOnce(MACETraining):
    """Its first run is killed after some epochs."""

    def prepare(self, sets, run):
        program = super().prepare(sets, run)
        if run.resume:
            return program
        command = [sys.executable, "-c", KILL, *program.command]
        return replace(program, command=command)


def options(**given):
    return MACETrainingMaker.small(hidden_irreps="4x0e", **given).hyperparameters


def test_a_killed_training_goes_on_from_its_checkpoint(silicon_set, tmp_path):
    training = KilledOnce(options(max_num_epochs=8), device="cpu")
    sets = TrainingSets.load(silicon_set)
    (found,) = train_members(training, sets, [3], [None], Place(tmp_path))
    first, second = found.attempts
    assert "SIGKILL" in first.failure
    assert second.failure is None
    assert first.seed == second.seed == found.seed
    assert found.loss_curve["epoch"][-1] == 7
    log = next(tmp_path.rglob("train.log")).read_text()
    assert "Loading checkpoint" in log.split("Started training")[1]


def in_another_process(training, sets, place):
    process = multiprocessing.get_context("spawn").Process(
        target=train_members, args=(training, sets, [3], [None], place)
    )
    process.start()
    return process


def killed_after(epoch, training, sets, place):
    """Kill the worker of a training when it has a checkpoint of that epoch."""
    process = in_another_process(training, sets, place)
    pattern = f"*/*/run/{training.checkpoint_files}"
    reached = -1
    while reached < epoch and process.is_alive():
        found = place.folder.parent.glob(f"cache/{pattern}")
        epochs = [re.findall(r"\d+", each.stem) for each in found if is_zipfile(each)]
        reached = max((int(numbers[-1]) for numbers in epochs if numbers), default=-1)
        time.sleep(0.02)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()


@pytest.mark.parametrize(
    ("backend", "resumed"),
    [
        ("mace", "Loading checkpoint"),
        pytest.param("pet", "Restarting training from", marks=pytest.mark.slow),
    ],
)
def test_a_killed_worker(backend, resumed, silicon_set, tmp_path):
    """Its job runs again in another folder, and goes on from the checkpoint."""
    n_epochs = 40
    if backend == "mace":
        training = MACETraining(options(max_num_epochs=n_epochs), device="cpu")
    else:
        training = small_metatrain("pet", n_epochs)
    sets = TrainingSets.load(silicon_set)
    places = [Place(tmp_path / job, cache=str(tmp_path / "cache")) for job in "ab"]
    for place in places:
        place.folder.mkdir()
    killed_after(2, training, sets, places[0])
    assert not (places[0].folder / "member-0" / "ended").exists()
    (found,) = train_members(training, sets, [3], [None], places[1])
    assert [attempt.failure for attempt in found.attempts] == [None]
    assert found.loss_curve["epoch"] == list(range(n_epochs))
    assert np.isfinite(found.loss_curve["val"]).all()
    log = (places[1].folder / "member-0" / "train.log").read_text()
    assert resumed in log
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_training_that_another_process_runs_is_left_alone(tmp_path):
    runs = [tmp_path / name for name in ("a", "b", "c")]
    for run in runs:
        run.mkdir()
        (run / "input").write_text("the same")
    first, second = RunCache(tmp_path / "cache"), RunCache(tmp_path / "cache")
    with first:
        assert not first.adopt(runs[0])
        (runs[0] / "checkpoint").write_text("epoch 3")
        assert not second.adopt(runs[1])
        assert not runs[1].is_symlink()
    with second:
        assert second.adopt(runs[2])
        assert (runs[2] / "checkpoint").read_text() == "epoch 3"
        second.release(runs[2])
    assert not runs[2].is_symlink()
    assert (runs[2] / "checkpoint").read_text() == "epoch 3"
    assert list((tmp_path / "cache").glob("*/*")) == []


def test_a_finished_training_is_not_done_again(silicon_set, tmp_path):
    """The worker was killed between the end of the training and that of the job."""
    training = MACETraining(options(max_num_epochs=2), device="cpu")
    sets = TrainingSets.load(silicon_set)
    places = [Place(tmp_path / job, cache=str(tmp_path / "cache")) for job in "ab"]
    for place in places:
        place.folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunCache, "runs", [])  # it releases none
        (first,) = train_members(training, sets, [3], [None], places[0])
    (found,) = train_members(training, sets, [3], [None], places[1])
    log = (places[1].folder / "member-0" / "train.log").read_text()
    assert log.count("Started training") == 1
    assert found.model.sha256 == first.model.sha256


def wait_for_a_checkpoint(child, timeout):
    """End a training, as its walltime would, after some epochs; but only once."""
    folder = child.command.folder
    mark = folder / "was ended"
    while child.process.poll() is None and not mark.exists():
        if any(map(is_zipfile, folder.glob("checkpoints/*epoch-[2-9].pt"))):
            mark.touch()
            return False
        time.sleep(0.02)
    child.process.wait()
    return True


@pytest.mark.slow
@pytest.mark.parametrize("members_per_job", [1, 2])
def test_a_job_out_of_time_goes_on_in_another(
    members_per_job, silicon_set, jobstore, tmp_path, monkeypatch
):
    monkeypatch.setattr("flowpot.processes.child._Child.wait", wait_for_a_checkpoint)
    trainer = MACETrainingMaker(
        hyperparameters=options(max_num_epochs=25),
        cache=str(tmp_path / "cache"),
        walltime=0.1,
        device="cpu",
    )
    flow = CommitteeTrainingMaker(
        trainer=trainer, size=2, members_per_job=members_per_job
    ).make(silicon_set, seed=5)
    flow.append_name(" test")  # once, however often the job is replaced
    done = run_locally(
        flow,
        store=jobstore,
        root_dir=tmp_path,
        create_folders=True,
        ensure_success=True,
    )
    training = [max(done[job.uuid]) for job in flow.jobs[:-1]]
    assert training == [2] * len(training)
    names = {each["name"] for each in jobstore.query(properties=["name"])}
    assert names == {"mace train test", "collect committee test"}
    members = flow.output.members.resolve(jobstore)
    assert len(members) == 2
    for member in members:
        assert member.loss_curve["epoch"] == list(range(25))
    logs = [path.read_text() for path in tmp_path.rglob("train.log")]
    assert all("Loading checkpoint" in log for log in logs)
    assert not list((tmp_path / "cache").glob("??/*"))


def test_walltime_needs_a_cache(silicon_set, tmp_path):
    place = Place(tmp_path, walltime=10.0)
    with pytest.raises(ValueError, match=r"walltime is 10.0 and cache None"):
        train_members(
            MACETraining(), TrainingSets.load(silicon_set), [1], [None], place
        )


def test_epochs_that_are_not_validated_are_no_divergence(silicon_set, tmp_path):
    training = MACETraining(options(max_num_epochs=6, eval_interval=4), device="cpu")
    sets = TrainingSets.load(silicon_set)
    (found,) = train_members(training, sets, [3], [None], Place(tmp_path))
    assert [attempt.failure for attempt in found.attempts] == [None]
    not_validated = np.isnan(found.loss_curve["val"]).tolist()
    assert not_validated == [False, True, True, True, False, True]


@pytest.mark.slow
def test_a_diverging_training_is_tried_again_and_recorded(silicon_set, tmp_path):
    training = MACETraining(options(max_num_epochs=3, lr=1e4), device="cpu")
    sets = TrainingSets.load(silicon_set)
    (found,) = train_members(training, sets, [3], [None], Place(tmp_path))
    assert found.model is None
    assert "diverged" in found.failure
    assert [a.learning_rate_scale for a in found.attempts] == pytest.approx(
        [1, 0.3, 0.09]
    )
    assert len({attempt.seed for attempt in found.attempts}) == 3


def test_what_the_next_job_is_given_may_lie_in_a_folder_with_a_space(tmp_path):
    kept = RunCache(tmp_path / "of the group").keep("start.model", b"weights")
    assert kept.read_bytes() == b"weights"
