"""Costs before any job has been done: they follow what they should, in order."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from flowpot import Dataset, MACETrainingMaker, MetatrainTrainingMaker
from flowpot.campaign.costs import (
    dynamics_hours,
    label_hours,
    training_hours,
    valence_electrons,
)


def test_valence_electrons_of_all_elements():
    """Those of a pseudopotential without semicore states."""
    numbers = np.arange(1, 104)
    electrons = valence_electrons(numbers)
    assert (electrons >= 1).all()
    assert (electrons <= 18).all()
    known = {"Li": 1, "O": 6, "Fe": 8, "Ce": 4, "Au": 11, "U": 6}
    atoms = Atoms(list(known))
    assert valence_electrons(atoms.numbers).tolist() == list(known.values())


def test_labels_cost_what_was_measured():
    """Distorted silicon, one core: 0.64 core-seconds a k-point for eight atoms."""
    eight = Dataset.from_atoms([bulk("Si", cubic=True)])
    assert label_hours(eight, np.array([36])) == pytest.approx(36 * 0.64 / 3600)
    larger = Dataset.from_atoms([bulk("Si", cubic=True) * (2, 1, 1)])
    assert 3 < label_hours(larger, np.array([1])) * 3600 < 5
    assert label_hours(eight, None) > 0
    assert label_hours(eight[:0], None) == 0


def test_each_frame_counts_its_own_electrons():
    frames = Dataset.from_atoms([bulk("Si"), bulk("Cu", cubic=True), bulk("C")])
    kpoints = np.array([2, 3, 4])
    one_by_one = [
        label_hours(frames[i : i + 1], kpoints[i : i + 1]) for i in range(len(frames))
    ]
    assert label_hours(frames, kpoints) == pytest.approx(sum(one_by_one))


def test_trainings_cost_by_epochs_atoms_and_size():
    small = MACETrainingMaker.small(max_num_epochs=40)
    hours = training_hours([small], 32 * 8)
    assert hours * 3600 == pytest.approx(11, rel=0.1)  # as measured
    assert training_hours([small, small], 256) == pytest.approx(2 * hours)
    large = MACETrainingMaker(hyperparameters={"hidden_irreps": "128x0e + 128x1o"})
    assert training_hours([large], 256) > 20 * hours
    pet = MetatrainTrainingMaker(hyperparameters={"training": {"num_epochs": 10}})
    assert 0 < training_hours([pet], 256) < training_hours([large], 256)


def test_dynamics_cost_by_steps_and_atoms():
    trainer = MACETrainingMaker.small()
    few, many = (dynamics_hours(trainer, 1000, n) for n in (8, 800))
    assert few * 3600 == pytest.approx(15, rel=0.3)  # LAMMPS's own share
    assert many > 10 * few
    assert dynamics_hours(None, 1000, 8) > few
