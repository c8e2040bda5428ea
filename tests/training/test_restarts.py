"""Trainings that are killed, that diverge, and that start from others."""

import sys
from dataclasses import dataclass, replace

import pytest

from flowpot.training import MACETrainingMaker
from flowpot.training.mace import MACETraining
from flowpot.training.members import train_members
from flowpot.training.sets import TrainingSets

from .conftest import ATOM

KILL = """
import os, pathlib, signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[1:])
while not any(pathlib.Path("checkpoints").glob("*epoch-2*.pt")):
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
    (found,) = train_members(training, sets, [3], [None], tmp_path)
    first, second = found.attempts
    assert "status -9" in first.failure
    assert second.failure is None
    assert first.seed == second.seed == found.seed
    assert found.loss_curve["epoch"][-1] == 7
    log = next(tmp_path.rglob("train.log")).read_text()
    assert "Loading checkpoint" in log.split("Started training")[1]


@pytest.mark.slow
def test_a_diverging_training_is_tried_again_and_recorded(silicon_set, tmp_path):
    training = MACETraining(options(max_num_epochs=3, lr=1e4), device="cpu")
    sets = TrainingSets.load(silicon_set)
    (found,) = train_members(training, sets, [3], [None], tmp_path)
    assert found.model is None
    assert "diverged" in found.failure
    assert [a.learning_rate_scale for a in found.attempts] == pytest.approx(
        [1, 0.3, 0.09]
    )
    assert len({attempt.seed for attempt in found.attempts}) == 3


def test_warm_start_goes_on_from_the_last_weights(silicon_set, member, tmp_path):
    training = MACETraining(options(max_num_epochs=1, lr=1e-4), device="cpu")
    sets = TrainingSets.load(silicon_set)
    starts = [member.model, None]
    warm, fresh = train_members(training, sets, [1, 2], starts, tmp_path)
    before = member.metrics["test"]["forces"]
    assert warm.metrics["test"]["forces"] == pytest.approx(before, rel=0.2)
    assert fresh.metrics["test"]["forces"] > 2 * before
    assert warm.e0s == {"Si": ATOM}
