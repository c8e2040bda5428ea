"""Joining the frames of trajectories."""

import numpy as np
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.exploration.collection import batched, collect_frames


def trajectory(seed, n=10, n_candidates=0):
    frames = [bulk("Cu", cubic=True) for _ in range(n)]
    for i, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=100 * seed + i)
    return Dataset.from_atoms(frames).with_info(
        md_step=10 * np.arange(1, n + 1),
        candidate=np.arange(n) >= n - n_candidates,
    )


def test_equilibration_and_stride():
    joined = collect_frames([trajectory(1), trajectory(2)], 40, 3)
    assert joined.info["md_step"].tolist() == [40, 70, 100] * 2


def test_candidates_stay_whatever_the_stride():
    joined = collect_frames([trajectory(1, n_candidates=3)], 0, 5)
    assert joined.info["md_step"].tolist() == [50, 80, 90, 100]


def test_a_frame_is_kept_once():
    assert len(collect_frames([trajectory(1), trajectory(1)], 0, 1)) == 10


def test_nothing_sampled():
    assert len(collect_frames([], 0, 1)) == 0


def test_batches():
    assert list(batched([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
