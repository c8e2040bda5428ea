"""
What batched molecular dynamics saves, printed with ``-s`` and held to its bounds.

    pytest -s -m slow tests/benchmarks/test_batched.py

In processor time of one thread. Batches and LAMMPS run in turns, and medians are
compared, so that other work on the machine changes the ratios little.
"""

import io
import os
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from ase.build import bulk

from flowpot.exploration.batched.dynamics import Dynamics
from flowpot.exploration.batched.forces import PotentialForces
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.run import Run, read_outcome, write_run
from flowpot.exploration.sampling import Output
from flowpot.potentials.mace import MACEPotential

pytestmark = pytest.mark.slow

REPLICAS, TURNS, FIRST = 20, 7, 3
"""Replicas of a batch, turns of both engines, and steps before those that count."""

# ruff: noqa: T201 - the figures are to be seen


@pytest.fixture(scope="module")
def small_mace(random_mace):
    """A model of the size of `MACETrainingMaker.small`, with random weights."""
    torch.set_num_threads(1)
    return random_mace(1, atomic_inter_scale=0.05)


def silicon(repeat, seed):
    atoms = bulk("Si", "diamond", a=5.47, cubic=True) * ((repeat,) * 3)
    atoms.rattle(0.02, seed=seed)
    return atoms


def conditions(n_steps, seed=1):
    return Conditions("npt", 300, n_steps=n_steps, timestep=0.5, seed=seed)


@dataclass
class Clock:
    """Processor time of each pass of a model, by when the pass began."""

    began: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def steps(self, n_steps):
        """Median time (ms) of one of so many steps, and of the passes in it."""
        began, took = np.array(self.began), np.array(self.took)
        passes = len(began) // (n_steps + 1)
        self.began, self.took = [], []
        steps = np.diff(began[::passes])[FIRST:]
        inside = took.reshape(-1, passes).sum(axis=1)[FIRST:-1]
        return 1e3 * np.median(steps), 1e3 * np.median(inside)


@pytest.fixture
def clock(monkeypatch):
    clock, evaluate = Clock(), MACEPotential.evaluate_graph

    def timed(potential, graph):
        began = time.process_time()
        found = evaluate(potential, graph)
        clock.began.append(began)
        clock.took.append(time.process_time() - began)
        return found

    monkeypatch.setattr(MACEPotential, "evaluate_graph", timed)
    return clock


def run_batch(potential, repeat, n_steps):
    replicas = [
        Replica.begin(silicon(repeat, i), conditions(n_steps, i + 1), "parent")
        for i in range(REPLICAS)
    ]
    done = Dynamics(PotentialForces([potential]), Output(n_steps)).run(replicas)
    assert all(replica.outcome.halted is None for replica in done)
    assert all(replica.outcome.error is None for replica in done)


@pytest.mark.parametrize(("repeat", "least"), [(1, 8.0), (2, 1.3)])
def test_against_lammps_and_the_bare_passes(repeat, least, small_mace, clock, tmp_path):
    buffer = io.BytesIO()
    torch.save(small_mace, buffer)
    file = tmp_path / "small.model"
    file.write_bytes(buffer.getvalue())
    potential = MACEPotential(small_mace, "cpu")
    atoms = len(silicon(repeat, 0))
    n_steps = 40 // repeat**2
    figures = []
    for turn in range(TURNS + 1):  # TorchScript compiles in the first
        run_batch(potential, repeat, n_steps)
        ours, inside = clock.steps(n_steps)
        place = tmp_path / f"run-{turn}"
        run = Run(conditions(2 * n_steps), Output(n_steps), [{"model": str(file)}])
        write_run(place, run, silicon(repeat, 0))
        main([place])
        assert read_outcome(place).n_steps == 2 * n_steps
        theirs, _ = clock.steps(2 * n_steps)
        figures.append(
            (ours / REPLICAS, theirs, theirs * REPLICAS / ours, ours / inside)
        )
    ours, theirs, gain, overhead = np.median(figures[1:], axis=0)
    low, high = np.min(figures[1:], axis=0), np.max(figures[1:], axis=0)
    print(f"\n{atoms} atoms, {REPLICAS} replicas, load {os.getloadavg()[0]:.1f}: ")
    print(f"{ours:.2f} ms a replica-step, LAMMPS {theirs:.2f}: {gain:.1f} x ")
    print(f"({low[2]:.1f} to {high[2]:.1f}); over the passes {overhead:.3f} ")
    print(f"({low[3]:.3f} to {high[3]:.3f})")
    assert gain >= least
    assert overhead <= 1.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu(small_mace, clock):
    potential = MACEPotential(small_mace, "cuda")
    for repeat in (1, 2):
        for _ in range(2):
            run_batch(potential, repeat, 50)
            step, inside = clock.steps(50)
        print(f"\n{8 * repeat**3} atoms on a GPU: {step / REPLICAS:.3f} ms a replica-")
        print(f"step, over the passes {step / inside:.3f}")
