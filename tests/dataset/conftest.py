"""Frames to test with."""

import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.dataset.electronic_state import STATE


@pytest.fixture
def random_dataset():
    """Make n labelled frames of 1 to 2 * size - 1 atoms, with metadata of each type."""

    def make(n, size=4, seed=0):
        rng = np.random.default_rng(seed)
        offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 2 * size, n))])
        atoms = offsets[-1]
        stress = rng.normal(size=(n, 3, 3))
        return Dataset(
            numbers=rng.choice([1, 6, 14], atoms),
            positions=10 * rng.random((atoms, 3)),
            cell=10 * np.eye(3) + rng.normal(size=(n, 3, 3)),
            pbc=np.ones((n, 3), bool),
            offsets=offsets,
            energy=rng.normal(size=n),
            forces=rng.normal(size=(atoms, 3)),
            stress=stress + stress.transpose(0, 2, 1),
            info={
                "config_type": rng.choice(["md", "vacancy"], n).astype(object),
                "temperature": 1000 * rng.random(n),
                "iteration": rng.integers(0, 5, n),
                "accepted": rng.random(n) < 0.5,
            },
        )

    return make


@pytest.fixture
def assert_same():
    """Assert that two datasets hold the same, to the last bit."""

    def check(one, other):
        for name in ("numbers", "pbc", "offsets"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        for name in ("positions", "cell", "energy", "forces", "stress", *STATE):
            a, b = getattr(one, name), getattr(other, name)
            assert np.array_equal(a, b, equal_nan=True), name
        assert set(one.info) == set(other.info)
        for name, column in one.info.items():
            assert column.dtype == other.info[name].dtype, name
            numeric = column.dtype.kind == "f"
            assert np.array_equal(column, other.info[name], equal_nan=numeric), name

    return check
