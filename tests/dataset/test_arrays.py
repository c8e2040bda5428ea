"""Columns of frames, and those of a Dataset that are the same."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk, molecule

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import GEOMETRY, Arrays

FRAMES = [bulk("Si"), molecule("H2O"), bulk("Cu", cubic=True)]


def same(one, other):
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in GEOMETRY)


def test_a_dataset_is_the_arrays_of_its_frames():
    joined = Arrays.joined([Arrays.of_atoms(atoms) for atoms in FRAMES])
    dataset = Dataset.from_atoms(FRAMES)
    assert isinstance(dataset, Arrays)
    assert same(joined, dataset)
    assert len(joined) == len(dataset) == 3
    assert joined.n_atoms.tolist() == dataset.n_atoms.tolist() == [2, 3, 4]


@pytest.mark.parametrize("index", range(3))
def test_each_frame_and_its_rows(index):
    dataset = Dataset.from_atoms(FRAMES)
    frame = dataset.frame(index)
    assert type(frame) is Arrays
    assert same(frame, Arrays.of_atoms(FRAMES[index]))
    rows = dataset.rows[index]
    assert np.array_equal(dataset.positions[rows], FRAMES[index].positions)
    assert np.shares_memory(frame.positions, dataset.positions)


def test_a_copy_shares_no_memory():
    atoms = bulk("Si")
    copied = Arrays.of_atoms(atoms).copied()
    before = atoms.positions.copy()
    atoms.positions += 1.0
    assert np.array_equal(copied.positions, before)


def test_a_dataset_does_not_change():
    dataset = Dataset.from_atoms(FRAMES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.label = "mine"
    with pytest.raises(ValueError, match="read-only"):
        dataset.positions[0] = 0.0
