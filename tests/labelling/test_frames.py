import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Molecule

from flowpot.labelling.frames import (
    check_geometry,
    geometry_problem,
    to_atoms,
    to_structure,
)


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Si"),
        fcc111("Cu", (1, 1, 3), vacuum=6),
        Atoms("Si", cell=[12] * 3, pbc=False),
        Atoms(
            "C4", positions=np.eye(4, 3) * 2, cell=[3, 9, 9], pbc=[True, False, False]
        ),
    ],
    ids=["bulk", "slab", "atom", "wire"],
)
def test_frames_survive_json_with_their_periodic_axes(atoms):
    structure = MontyDecoder().decode(MontyEncoder().encode(to_structure(atoms)))
    back = to_atoms(structure)
    assert (back.pbc == atoms.pbc).all()
    assert (back.numbers == atoms.numbers).all()
    np.testing.assert_allclose(back.positions, atoms.positions, atol=1e-12)
    np.testing.assert_allclose(back.cell, atoms.cell, atol=1e-12)


def test_a_molecule_gets_a_box():
    water = molecule("H2O")
    atoms = to_atoms(Molecule(water.get_chemical_symbols(), water.positions))
    assert not atoms.pbc.any()
    spans = np.ptp(atoms.positions, axis=0)
    np.testing.assert_allclose(atoms.cell.lengths() - spans, 15)


def test_moments_are_kept_and_the_rest_is_not():
    atoms = bulk("Fe", cubic=True)
    atoms.set_initial_magnetic_moments([2, -2])
    atoms.info["config_type"] = "input"
    structure = to_structure(atoms)
    assert structure.site_properties["magmom"] == [2, -2]
    assert structure.properties == {}
    assert to_atoms(structure).get_initial_magnetic_moments().tolist() == [2, -2]


def test_coincident_atoms_are_named():
    atoms = bulk("Si", cubic=True)
    atoms.positions[5] = atoms.positions[2]
    with pytest.raises(ValueError, match=r"atoms 2 \(Si\) and 5 \(Si\) are 0.000 A"):
        check_geometry(atoms)


def test_an_atom_too_close_to_its_own_image():
    atoms = Atoms("Si", cell=[0.9, 5, 5], pbc=True)
    assert "atoms 0 (Si) and 0 (Si) are 0.900 A" in geometry_problem(atoms).reason
    atoms.pbc = False
    assert geometry_problem(atoms) is None


def test_the_limit_scales_with_covalent_radii():
    """H2 at 0.74 A is a molecule; two silicon atoms at 0.74 A are an accident."""
    for symbol, allowed in (("H2", True), ("Si2", False)):
        pair = Atoms(symbol, positions=[[0, 0, 0], [0, 0, 0.74]], cell=[8] * 3)
        assert (geometry_problem(pair) is None) == allowed


def test_cells_and_numbers():
    flat = Atoms("Si", cell=[5, 5, 0], pbc=[True, True, False])
    assert "no volume" in geometry_problem(flat).reason
    lost = bulk("Si")
    lost.positions[0, 0] = np.nan
    assert "not finite" in geometry_problem(lost).reason
    assert geometry_problem(Atoms(cell=[5] * 3)).reason == "the frame has no atoms"
    window = {"volume_per_atom": (5.0, 100.0)}
    assert geometry_problem(bulk("Si"), **window) is None
    blown = Atoms("Si", cell=[6] * 3, pbc=True)
    problem = geometry_problem(blown, **window)
    assert problem.criterion == "volume"
    assert problem.reason == "216.00 A^3/atom is outside [5, 100]"


def test_vacuum_that_is_none_and_too_much():
    for vacuum, allowed in ((2.0, False), (4.0, True), (40.0, False)):
        water = molecule("H2O", vacuum=vacuum)
        problem = geometry_problem(water, vacuum=(5.0, 60.0))
        assert (problem is None) == allowed
        assert allowed or problem.criterion == "vacuum"
        water.pbc = True  # a dilute crystal: its volume is what may be wrong
        assert geometry_problem(water, vacuum=(5.0, 60.0)) is None
