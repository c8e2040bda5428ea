"""Costs before any job has been done: they follow what they should, in order."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from flowpot import (
    Dataset,
    EspressoStaticMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.campaign.costs import (
    Costs,
    dynamics_hours,
    label_hours,
    labelling_cost,
    training_hours,
    valence_electrons,
)
from flowpot.labelling.static_makers import plane_wave_counts


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
    """Distorted silicon at 24 Ry, one core: 0.035, 0.64 and 3.8 s a k-point."""
    maker = EspressoStaticMaker(pseudo_family="debian-pbe")
    cubic = bulk("Si", cubic=True)
    for atoms, seconds in (
        (bulk("Si"), 0.035),
        (cubic, 0.64),
        (cubic * (2, 1, 1), 3.8),
    ):
        one = Dataset.from_atoms([atoms])
        waves = plane_wave_counts(maker, one)
        hours = [label_hours(one, np.array([n]), waves) for n in (36, 37)]
        assert np.diff(hours)[0] * 3600 == pytest.approx(seconds, rel=0.3)
    eight = Dataset.from_atoms([cubic])
    assert label_hours(eight, None) > 0
    assert label_hours(eight[:0], None) == 0


def test_vacuum_costs_what_was_measured():
    """A molecule of water in a box of 15 x 17 x 16 A, at 46 Ry: 69 core-seconds."""
    water = Atoms("H2O", [(0, 0, 0), (0.96, 0, 0), (-0.24, 0.93, 0)])
    water.center(7.5)
    maker = EspressoStaticMaker(pseudo_family="debian-pbe")
    n_kpoints, hours = labelling_cost(maker, Dataset.from_atoms([water]), Costs())
    assert n_kpoints == 1
    assert 69 / 3 < hours * 3600 < 3 * 69
    water.cell = None  # another engine makes its own
    _, hours = labelling_cost(None, Dataset.from_atoms([water]), Costs())
    assert 69 / 5 < hours * 3600 < 5 * 69


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
