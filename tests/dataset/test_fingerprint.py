"""Fingerprints: what they tell apart, and what they survive."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.dataset.fingerprint import TOLERANCE


def fingerprint(atoms):
    return Dataset.from_atoms([atoms]).fingerprints[0]


@pytest.fixture
def rattled(silicon):
    silicon.rattle(0.1, seed=5)
    return silicon


def test_their_form(random_dataset):
    prints = random_dataset(20).fingerprints
    assert prints.shape == (20,)
    assert len(set(prints)) == 20
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in prints)


def test_they_are_the_same_tomorrow():
    """Campaigns keep fingerprints in their records: the recipe may never change."""
    assert fingerprint(bulk("Si", a=5.43)) == "85d2c310d8db9856306a03f88249174e"


@pytest.mark.parametrize("change", ["number", "position", "cell", "pbc", "order"])
def test_they_tell_frames_apart(rattled, change):
    before = fingerprint(rattled)
    if change == "number":
        rattled.numbers[3] = 6
    elif change == "position":
        rattled.positions[3, 1] += 2 * TOLERANCE
    elif change == "cell":
        rattled.cell[1, 0] += 2 * TOLERANCE
    elif change == "pbc":
        rattled.pbc = [True, True, False]
    else:
        rattled = rattled[::-1]
    assert fingerprint(rattled) != before


def test_labels_and_metadata_have_no_part(random_dataset):
    dataset = random_dataset(5)
    bare = dataset.without_labels().with_info(temperature=None)
    assert np.array_equal(bare.fingerprints, dataset.fingerprints)


def test_the_company_has_no_part(random_dataset):
    dataset = random_dataset(9)
    assert np.array_equal(dataset[::2].fingerprints, dataset.fingerprints[::2])


def test_the_sign_of_zero_has_no_part(silicon):
    before = fingerprint(silicon)
    silicon.positions *= -1.0
    silicon.positions[:] = np.abs(silicon.positions)
    silicon.positions[silicon.positions == 0] = -0.0
    assert fingerprint(silicon) == before


def test_last_bits_have_no_part(random_dataset):
    """Errors of the size that changes of representation make."""
    rng = np.random.default_rng(0)
    dataset = random_dataset(300)
    noise = rng.normal(scale=1e-14, size=dataset.positions.shape)
    moved = Dataset(**{**dataset.fields, "positions": dataset.positions + noise})
    assert np.array_equal(moved.fingerprints, dataset.fingerprints)


def test_numbers_of_eight_decimals_are_safe(tmp_path):
    """What ASE wrote, with its eight decimals, survives last-bit errors too."""
    frames = [bulk("Si", cubic=True) for _ in range(100)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed)
    ase.io.write(tmp_path / "a.xyz", frames)
    dataset = Dataset.read(tmp_path / "a.xyz")
    back = Dataset.from_structures(dataset.to_structures())
    assert not np.array_equal(back.positions, dataset.positions)
    assert np.array_equal(back.fingerprints, dataset.fingerprints)
