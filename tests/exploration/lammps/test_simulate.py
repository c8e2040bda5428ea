"""Trajectories that break down at once are retried; others are not."""

import time
from dataclasses import replace

import pytest
from ase.build import bulk
from monty.serialization import loadfn

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.vacuum import restore_vacuum
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.run import PLAN_FILE, Run, read_outcome, read_run
from flowpot.exploration.lammps.script import Output
from flowpot.exploration.lammps.simulate import (
    Trajectory,
    broke_at_once,
    simulate,
    take_up,
)
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sanity import SanityLimits

EMT = {"calculator": "ase.calculators.emt.EMT", "kwargs": {}}


def in_this_process(folders):
    main(folders)
    return [read_outcome(folder) for folder in folders]


@pytest.fixture
def trajectory(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    run = Run(Conditions("nve", 600, n_steps=40), Output(20), [EMT])
    return Trajectory(run, atoms, "parent", tmp_path / "run-000")


def test_a_timestep_that_is_too_long_is_halved(trajectory):
    """At 40 fs copper explodes; at 10 fs it does not."""
    conditions = replace(trajectory.run.conditions, timestep=40.0)
    fine = replace(trajectory, folder=trajectory.folder.with_name("run-001"))
    coarse = replace(trajectory, run=replace(trajectory.run, conditions=conditions))
    first, second = simulate([coarse, fine], in_this_process)
    assert first.attempts > 1
    assert first.timestep == 40.0 / 2 ** (first.attempts - 1)
    assert first.seed != conditions.seed
    assert (first.state, first.n_frames) == ("done", 2)
    assert (second.state, second.attempts, second.timestep) == ("done", 1, 1.0)


def test_at_most_twice(trajectory):
    limits = SanityLimits(temperature=590)
    hot = replace(trajectory, run=replace(trajectory.run, limits=limits))
    calls = []

    def explode(folders):
        calls.append([folder.name for folder in folders])
        return [Outcome(n_steps=3, halted="temperature") for _ in folders]

    [document] = simulate([hot], explode)
    assert calls == [["run-000"], ["run-000-retry-1"], ["run-000-retry-2"]]
    assert (document.state, document.attempts) == ("halted", 3)


def test_attempts_share_the_walltime_of_their_job(trajectory):
    hot = replace(trajectory, run=replace(trajectory.run, walltime=1.0))
    left = []

    def explode_slowly(folders):
        left.extend(read_run(folder)[0].walltime for folder in folders)
        time.sleep(0.6)
        return [Outcome(n_steps=3, halted="temperature") for _ in folders]

    [document] = simulate([hot], explode_slowly)
    assert left == [1.0, pytest.approx(0.4, abs=0.1)]
    # a later job finds the attempt by its plan, which is that of any other job
    retried = hot.folder.with_name("run-000-retry-1")
    assert loadfn(retried / PLAN_FILE).walltime == 1.0
    assert (document.state, document.attempts) == ("halted", 2)


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome(n_steps=20, halted="temperature"), True),
        (Outcome(n_steps=21, halted="temperature"), False),
        (Outcome(n_steps=0, halted="atoms too close"), False),
        (Outcome(n_steps=5, halted="disagreement in forces"), False),
        (Outcome(n_steps=0, error="no such model"), False),
        (Outcome(n_steps=40), False),
    ],
)
def test_what_is_tried_again(outcome, again, trajectory):
    assert broke_at_once(trajectory, outcome) == again


def test_an_interrupted_run_goes_on_in_another_folder(trajectory, tmp_path):
    short = replace(trajectory, run=replace(trajectory.run, walltime=1e-6))
    [document] = simulate([short], in_this_process)
    assert document.state == "out of time"
    later = replace(trajectory, folder=tmp_path / "later")
    take_up(short.folder, later.folder)
    [document] = simulate([later], in_this_process)
    assert (document.state, document.n_steps, document.n_frames) == ("done", 40, 2)
    assert "read_restart" in (later.folder / "in.lammps").read_text()
    with pytest.raises(FileNotFoundError, match="not a folder here"):
        take_up(tmp_path / "nowhere", tmp_path / "there")


def test_lost_atoms_are_a_breakdown_like_any_other(trajectory):
    """At 400 fs copper explodes in one step; it is retried with half of that."""
    conditions = replace(trajectory.run.conditions, timestep=400.0, n_steps=60)
    limits = SanityLimits(contact=0.0, temperature=1e12)
    run = replace(trajectory.run, conditions=conditions, limits=limits)
    [document] = simulate([replace(trajectory, run=run)], in_this_process)
    assert (document.state, document.reason) == ("halted", "atoms lost")
    assert document.attempts == 3


def test_frames_inherit_the_state_of_their_start(trajectory):
    """Moments, charge and multiplicity reach the labels of what a run has sampled."""
    start = trajectory.start.copy()
    start.set_initial_magnetic_moments([1.0, -1.0, 1.0, -1.0])
    start.info.update(charge=1, spin=2)
    [document] = simulate([replace(trajectory, start=start)], in_this_process)
    frames = Dataset.load(document.dataset)
    assert len(frames) == 2
    assert frames.magmoms.tolist() == [1.0, -1.0, 1.0, -1.0] * 2
    assert frames.charge.tolist() == [1, 1]
    assert frames.spin.tolist() == [2, 2]
    restored = Dataset.from_atoms(restore_vacuum(atoms, 15.0) for atoms in frames)
    assert restored.magmoms.tolist() == frames.magmoms.tolist()
