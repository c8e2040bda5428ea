"""Random displacements: their statistics are what the documentation says."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list
from scipy.stats import kstest

from flowpot.augmentation import distort, nearest_distances
from flowpot.augmentation.displacement import random_displacements


@pytest.fixture(scope="module")
def moves() -> np.ndarray:
    reach = np.full(40_000, 0.7)
    return random_displacements(reach, np.random.default_rng(5))


def test_directions_are_isotropic(moves):
    """Bug B5: the reference's lie in the octant (+, +, +), a drift of 0.447."""
    unit = moves / np.linalg.norm(moves, axis=1, keepdims=True)
    error = unit.std(axis=0) / len(unit) ** 0.5
    assert (np.abs(unit.mean(axis=0)) < 3 * error).all()
    # Each component of an isotropic direction is uniform (Archimedes).
    for component in unit.T:
        assert kstest(component, "uniform", args=(-1, 2)).pvalue > 0.01
    np.testing.assert_allclose(unit.T @ unit / len(unit), np.eye(3) / 3, atol=0.01)


def test_magnitudes_are_uniform(moves):
    lengths = np.linalg.norm(moves, axis=1)
    assert kstest(lengths, "uniform", args=(0, 0.7)).pvalue > 0.01


def test_magnitudes_scale_with_each_atoms_own_neighbour():
    atoms = molecule("CH3CH2OH")
    nearest = nearest_distances(atoms)
    rng = np.random.default_rng(0)
    moved = [distort(atoms, rng, fraction=0.2).positions for _ in range(600)]
    shares = np.linalg.norm(np.array(moved) - atoms.positions, axis=2) / nearest
    for atom in range(len(atoms)):
        assert kstest(shares[:, atom], "uniform", args=(0, 0.2)).pvalue > 1e-3


def test_no_pair_comes_too_close():
    """The reference: 10-17 % of distorted carbon frames have pairs under 1.0 A."""
    crystal = bulk("C", "diamond", a=3.2) * (3, 3, 3)
    rng = np.random.default_rng(2)
    free = distort(crystal, rng, fraction=0.45, min_distance=0.0)
    assert neighbor_list("d", free, 1.0).size
    for _ in range(5):
        kept = distort(crystal, rng, fraction=0.45, min_distance=0.65)
        assert neighbor_list("d", kept, 1.6).min() > 0.65 * 2 * 0.76
        lengths = np.linalg.norm(kept.positions - crystal.positions, axis=1)
        limit = 0.45 * nearest_distances(crystal)[0]
        assert kstest(lengths, "uniform", args=(0, limit)).pvalue > 1e-3


def test_a_single_atom_cell_stays():
    """Bug B14: the reference makes NaN of it. To move it is to move everything."""
    copper = bulk("Cu")
    moved = distort(copper, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.positions, copper.positions)
    atom = Atoms("H")
    assert np.isfinite(distort(atom, np.random.default_rng(0)).positions).all()


def test_the_same_seed_displaces_alike(silicon):
    one, same, other = (
        distort(silicon, np.random.default_rng(seed)).positions for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_the_input_is_not_touched(silicon):
    before = silicon.positions.copy()
    distort(silicon, np.random.default_rng(1))
    np.testing.assert_array_equal(silicon.positions, before)


def test_what_cannot_be_kept_apart_is_refused(silicon):
    with pytest.raises(ValueError, match="lower one of the two"):
        distort(silicon, np.random.default_rng(1), fraction=0.9, min_distance=1.05)


def test_fractions_beyond_one_are_refused(silicon):
    with pytest.raises(ValueError, match="fraction is"):
        distort(silicon, np.random.default_rng(1), fraction=1.5)
