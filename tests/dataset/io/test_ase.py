"""Frames from and to ASE: whose labels, which sign, which order."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from flowpot.dataset import Dataset, LabelKeys


@pytest.fixture
def copper():
    """A strained, rattled copper cell with EMT's energy, forces and stress."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(atoms.cell @ [[1.02, 0.03, 0], [0, 0.99, 0.01], [0, 0, 1]])
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms


def test_labels_of_a_calculator_are_taken(copper):
    dataset = Dataset.from_atoms([copper])
    assert dataset.energy[0] == copper.get_potential_energy()
    assert np.array_equal(dataset.forces, copper.get_forces())
    assert np.array_equal(dataset.stress[0], copper.get_stress(voigt=False))
    (back,) = dataset
    assert np.array_equal(back.get_stress(), copper.get_stress())


def test_stress_under_tension_is_positive():
    atoms = bulk("Ar", a=5.8)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=10)
    atoms.get_stress()
    assert np.trace(Dataset.from_atoms([atoms]).stress[0]) > 0


def test_nothing_is_calculated():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    assert not Dataset.from_atoms([atoms]).is_labelled.any()
    assert atoms.calc.results == {}


def test_labels_of_another_geometry_are_not_taken(copper):
    copper.positions[0, 0] += 0.01
    assert not Dataset.from_atoms([copper]).is_labelled.any()


def test_labels_may_be_left(copper):
    assert not Dataset.from_atoms([copper], labels=False).is_labelled.any()


def test_named_labels_come_before_the_calculators(copper):
    forces = np.ones((4, 3))
    copper.info.update(REF_energy=-1.0, REF_stress=[1, 2, 3, 4, 5, 6])
    copper.arrays["REF_forces"] = forces
    dataset = Dataset.from_atoms([copper])
    assert dataset.energy[0] == -1.0
    assert np.array_equal(dataset.forces, forces)
    # Voigt's order: xx, yy, zz, yz, xz, xy.
    assert dataset.stress[0].tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]
    assert dataset.info == {}


def test_labels_of_other_names(copper):
    copper.info["dft_energy"] = -3.0
    keys = LabelKeys("dft_energy", "dft_forces", "dft_stress")
    dataset = Dataset.from_atoms([copper], keys=keys)
    assert dataset.energy[0] == -3.0
    assert np.array_equal(dataset.forces, copper.get_forces())


def test_one_name_for_two_labels_is_refused():
    with pytest.raises(ValueError, match="names two labels alike"):
        LabelKeys(energy="x", stress="x")


def test_a_frame_may_have_energy_and_forces_but_no_stress():
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((3, 3)))
    dataset = Dataset.from_atoms([atoms, bulk("Si")])
    assert dataset.is_labelled.tolist() == [True, False]
    assert np.isnan(dataset.stress).all()
    assert sorted(dataset[0].calc.results) == ["energy", "forces"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"REF_energy": "low"}, r"frame 1: energy is 'low'.*one number in eV"),
        ({"REF_stress": np.zeros(4)}, r"frame 1: stress has shape \(4,\)"),
    ],
)
def test_malformed_labels_name_the_frame(labels, message, silicon):
    bad = silicon.copy()
    bad.info.update(labels)
    with pytest.raises(ValueError, match=message):
        Dataset.from_atoms([silicon, bad])


def test_forces_of_the_wrong_shape(silicon):
    bad = silicon.copy()
    bad.calc = SinglePointCalculator(bad, energy=0.0, forces=np.zeros((7, 3)))
    with pytest.raises(ValueError, match=r"frame 1: forces have shape \(7, 3\), 8"):
        Dataset.from_atoms([silicon, bad])


def test_cells_that_are_not_three_vectors():
    wire = Atoms("C", cell=[0, 0, 2.5], pbc=[False, False, True])
    slab = Atoms("C", cell=[[2, 0, 0], [1, 2, 0], [0, 0, 0]], pbc=[True, True, False])
    dataset = Dataset.from_atoms([wire, slab])
    assert dataset.to_atoms() == [wire, slab]
