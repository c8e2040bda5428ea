"""Joining the frames of trajectories."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.exploration.collection import (
    batched,
    collect_frames,
    decorrelated_stride,
)
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.correlation import correlation_steps, inefficiency
from flowpot.exploration.document import MDBatchDoc, MDDoc
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sampling import described


def trajectory(seed, n=10, n_candidates=0):
    frames = [bulk("Cu", cubic=True) for _ in range(n)]
    for i, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=100 * seed + i)
    return Dataset.from_atoms(frames).with_info(
        md_step=10 * np.arange(1, n + 1),
        candidate=np.arange(n) >= n - n_candidates,
    )


def test_equilibration_and_stride():
    joined = collect_frames([trajectory(1), trajectory(2)], 40, [3, 3])
    assert joined.info["md_step"].tolist() == [40, 70, 100] * 2


def test_candidates_stay_whatever_the_stride():
    joined = collect_frames([trajectory(1, n_candidates=3)], 0, [5])
    assert joined.info["md_step"].tolist() == [50, 80, 90, 100]


def test_a_frame_is_kept_once():
    assert len(collect_frames([trajectory(1), trajectory(1)], 0, [1, 1])) == 10


def test_nothing_sampled():
    assert len(collect_frames([], 0, [])) == 0


def test_batches():
    assert list(batched([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_inefficiency_of_an_autoregressive_series(memory):
    """x' = a x + noise has g = (1 + a) / (1 - a)."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=20_000)
    series = np.zeros_like(noise)
    for i in range(1, len(noise)):
        series[i] = memory * series[i - 1] + noise[i]
    exact = (1 + memory) / (1 - memory)
    assert inefficiency(series) == pytest.approx(exact, rel=0.25)


def test_stride_by_correlation():
    steps = np.arange(0, 1001, 10)
    rng = np.random.default_rng(2)
    slow = np.sin(steps / 1000 * 2 * np.pi) + 0.1 * rng.normal(size=len(steps))
    fast = rng.normal(size=len(steps))
    strides = []
    for energy in (slow, fast):
        thermo = {"step": steps.tolist(), "potential energy (eV)": energy.tolist()}
        run = MDDoc(
            state="done",
            n_frames=50,
            n_steps=1000,
            trajectory="t",
            parent="p",
            formula="Cu4",
            ensemble="npt",
            temperature=(300, 300),
            pressure=(0, 0),
            timestep=1.0,
            seed=1,
            correlation=correlation_steps(*thermo.values()),
        )
        strides.append(decorrelated_stride(run, 0))
    assert strides[0] > 5
    assert strides[1] == 1


@pytest.mark.parametrize("n_runs", [1, 20, 40])
def test_a_stride_does_not_depend_on_what_else_a_job_runs(n_runs):
    """Documents of many runs keep few rows of each log; their correlation is whole."""
    steps = np.arange(0, 10_001, 10)
    rng = np.random.default_rng(3)
    slow = np.convolve(rng.normal(size=len(steps) + 99), np.ones(100), "valid")
    runs = []
    for energies in (rng.normal(size=len(steps)), slow):
        atoms = bulk("Cu")
        document = described(
            trajectory(1, n=100),
            atoms,
            Conditions(n_steps=10_000),
            Outcome(10_000),
            "p",
            thermo={"step": steps, "potential energy (eV)": energies},
            disagreement={},
        )
        runs.append(document)
    kept = MDBatchDoc.of(runs * n_runs).runs
    assert decorrelated_stride(kept[0], 0) == 1
    assert 5 <= decorrelated_stride(kept[1], 0) <= 20  # 10 by what was convolved
