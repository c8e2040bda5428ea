"""Committees whose disagreement and error are known by construction."""

import numpy as np
import pytest
from ase import Atoms
from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteePrediction


def symmetric(tensors):
    return (tensors + tensors.swapaxes(-1, -2)) / 2


def random_frames(sizes, rng) -> Dataset:
    """Labelled periodic frames of the given numbers of atoms, all labels random."""
    frames = [
        Atoms(
            "Si" * n,
            scaled_positions=rng.random((n, 3)),
            cell=np.eye(3) * 6,
            pbc=True,
        )
        for n in sizes
    ]
    n, atoms = len(sizes), sum(sizes)
    return Dataset.from_atoms(frames).with_labels(
        energy=rng.normal(size=n) * np.array(sizes),
        forces=rng.normal(size=(atoms, 3)),
        stress=symmetric(rng.normal(size=(n, 3, 3))),
    )


def spread_around(dataset, scale, rng, members=4) -> CommitteePrediction:
    """Members that err independently: per-atom energy, forces and stress by scale."""
    per_atom = np.repeat(scale, dataset.n_atoms)[:, None]
    m = members
    return CommitteePrediction(
        energy=dataset.energy
        + dataset.n_atoms * scale * rng.normal(size=(m, len(dataset))),
        forces=dataset.forces + per_atom * rng.normal(size=(m, *dataset.forces.shape)),
        stress=dataset.stress
        + scale[:, None, None] * symmetric(rng.normal(size=(m, *dataset.stress.shape))),
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def frames(rng):
    return random_frames([1, 2, 8, 5], rng)


@pytest.fixture
def prediction(frames, rng):
    return spread_around(frames, np.full(len(frames), 0.1), rng)


@pytest.fixture
def make_frames():
    return random_frames


@pytest.fixture
def make_prediction():
    return spread_around
