"""Thermal displacements against statistical mechanics."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule

from flowpot.augmentation import (
    Strains,
    Supercells,
    ThermalDisplacements,
    augment,
    closest_contact,
    thermal_displacements,
)
from flowpot.augmentation.kinds.thermal import Phonons, force_constants
from flowpot.dataset.geometry.closeness import MIN_DISTANCE_MADE

HBAR = units._hbar * units.J * units.s


def test_force_constants_obey_the_sum_rule_and_symmetry(zoo):
    for name in ("diamond", "skewed", "MoS2", "C60", "wire"):
        matrix = force_constants(zoo[name])
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-12, err_msg=name)
        blocks = matrix.reshape(len(zoo[name]), 3, -1, 3)
        np.testing.assert_allclose(blocks.sum(axis=2), 0, atol=1e-12, err_msg=name)
        assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_the_highest_frequency_is_the_debye_temperatures():
    phonons = Phonons.of(bulk("Si", cubic=True), 645.0)
    assert HBAR * phonons.frequencies.max() / units.kB == pytest.approx(645.0)
    assert len(phonons.frequencies) == 3 * 8 - 3


def test_a_classical_oscillator_has_kt_per_mode():
    """Equipartition: the potential energy of 3N - 3 modes is kT/2 each."""
    crystal = bulk("Si", cubic=True)
    phonons = Phonons.of(crystal, 50.0)
    temperature = 2000.0
    moves = phonons.displacements(3000, temperature, np.random.default_rng(0))
    weighted = moves * np.sqrt(crystal.get_masses())[:, None]
    patterns = phonons.modes * np.sqrt(crystal.get_masses())[:, None]
    coordinates = np.tensordot(weighted, patterns, axes=([1, 2], [1, 2]))
    energies = 0.5 * (coordinates**2 * phonons.frequencies**2).sum(axis=1)
    expected = 0.5 * len(phonons.frequencies) * units.kB * temperature
    assert energies.mean() == pytest.approx(expected, rel=0.02)


def test_a_cold_dimer_has_its_zero_point_motion():
    pair = molecule("N2")
    theta = 3393.0
    phonons = Phonons.of(pair, theta)
    moves = phonons.displacements(20_000, 0.0, np.random.default_rng(0))
    axis = pair.positions[1] - pair.positions[0]
    stretch = (moves[:, 1] - moves[:, 0]) @ axis / np.linalg.norm(axis)
    mass = pair.get_masses()[0] / 2
    expected = HBAR / (2 * mass * units.kB * theta / HBAR)
    assert stretch.var() == pytest.approx(expected, rel=0.03)


def test_neighbours_move_together_and_nothing_drifts():
    crystal = bulk("Si", cubic=True) * 2
    phonons = Phonons.of(crystal, 500.0)
    moves = phonons.displacements(400, 600.0, np.random.default_rng(1))
    np.testing.assert_allclose(moves.mean(axis=1), 0, atol=1e-9)
    alone = (moves**2).sum(axis=2).mean()
    distances = crystal.get_all_distances(mic=True)
    i, j = np.nonzero((distances > 0) & (distances < 2.5))
    together = (moves[:, i] * moves[:, j]).sum(axis=2).mean()
    assert together / alone > 0.2


def test_hot_frames_are_displaced_more(silicon):
    made = augment(silicon, [ThermalDisplacements((100.0, 900.0), n_frames=20)])
    frames = made.frames[made.frames.info["config_type"] == "thermal"]
    assert len(frames) == 40
    moves = frames.positions.reshape(40, 8, 3) - silicon.positions
    cold, hot = (
        (moves[frames.info["temperature"] == t] ** 2).mean() for t in (100.0, 900.0)
    )
    assert 2 < hot / cold < 9


def test_a_lone_atom_has_no_phonons():
    atom = Atoms("He")
    rng = np.random.default_rng(0)
    moved = thermal_displacements(atom, rng, temperature=300)
    np.testing.assert_array_equal(moved.positions, atom.positions)
    copper = thermal_displacements(bulk("Cu"), rng, temperature=300)
    np.testing.assert_array_equal(copper.positions, bulk("Cu").positions)
    made = augment(atom, [ThermalDisplacements()])
    assert "no atom has neighbours" in made.notes[-1]


@pytest.mark.parametrize("name", ["LiH", "PdH"])
def test_hydrides_have_hot_frames(name):
    """Atoms that come too close are turned, where drawing again is of no avail."""
    made = augment(
        bulk(name, "rocksalt", a=4.08),
        [ThermalDisplacements((600.0,), n_frames=3)],
        supercell=Supercells(9, 64),
    )
    frames = made.frames[made.frames.info["config_type"] == "thermal"]
    assert len(frames) == 3
    assert 0 < made.turned < 0.2 * len(frames.numbers)
    assert made.rejected["thermal"] > 0
    assert min(closest_contact(atoms) for atoms in frames) >= MIN_DISTANCE_MADE
    assert not made.notes


def test_what_is_too_hot_says_so_and_all_else_survives(silicon):
    plan = ThermalDisplacements((1e4, 10.0), n_frames=2, debye_temperature=100.0)
    crystals = [silicon, bulk("Po", "sc", a=4.5) * 2]
    made = augment(crystals, [plan, Strains(n_frames=2)], min_distance=0.9)
    assert made.counts["thermal"] == 2 + 4
    assert made.counts["strained"] == 4
    thermal = made.frames[made.frames.info["config_type"] == "thermal"]
    assert sorted(thermal.info["temperature"]) == [10.0] * 4 + [1e4] * 2
    note = made.notes[-1]
    assert "input 0 (Si): 2 of 2 thermal frames of 10000 K are missing" in note
    assert "lower the temperature, or raise debye_temperature" in note
    hot = ThermalDisplacements((1e4,), debye_temperature=100.0)
    assert "thermal" not in augment(silicon, [hot], min_distance=0.9).counts


@pytest.mark.parametrize(
    "changes",
    [
        {"temperatures": ()},
        {"temperatures": (-1.0,)},
        {"temperatures": 300},
        {"temperatures": "300"},
        {"temperatures": None},
        {"debye_temperature": 0.0},
        {"n_frames": 2.0},
    ],
)
def test_parameters_are_checked(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        ThermalDisplacements(**changes)
