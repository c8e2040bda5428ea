"""Frames from and to pymatgen, and from atomate2's documents."""

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from ase.calculators.lj import LennardJones
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from jobflow import run_locally
from monty.json import jsanitize
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Dataset


def test_structures_and_molecules_come_back(silicon):
    silicon.rattle(0.1, seed=2)
    water, slab = molecule("H2O"), fcc111("Cu", (2, 2, 3), vacuum=8.0)
    dataset = Dataset.from_atoms([silicon, water, slab]).with_info(name=["a", "b", "c"])
    structures = dataset.to_structures()
    assert [type(each) for each in structures] == [Structure, Molecule, Structure]
    assert structures[2].lattice.pbc == (True, True, False)
    back = Dataset.from_structures(structures)
    assert np.allclose(back.positions, dataset.positions, atol=1e-12)
    assert np.array_equal(back.cell, dataset.cell)
    assert np.array_equal(back.pbc, dataset.pbc)
    assert back.info["name"].tolist() == ["a", "b", "c"]
    assert back.fingerprints.tolist() == dataset.fingerprints.tolist()


def test_pymatgens_own_conversion_agrees(silicon):
    (own,) = Dataset.from_atoms([silicon]).to_structures()
    theirs = AseAtomsAdaptor.get_structure(silicon)
    assert np.allclose(own.frac_coords, theirs.frac_coords)
    assert own.lattice == theirs.lattice
    assert own.species == theirs.species


def test_json_keeps_fingerprints(silicon):
    silicon.rattle(0.1, seed=3)
    dataset = Dataset.from_atoms([silicon])
    (structure,) = dataset.to_structures()
    again = Structure.from_str(structure.to(fmt="json"), fmt="json")
    assert Dataset.from_structures([again]).fingerprints == dataset.fingerprints


def test_an_isolated_atom_keeps_its_box():
    atom = bulk("C")[:1]
    atom.set_cell(15 * np.eye(3))
    atom.pbc = False
    dataset = Dataset.from_atoms([atom])
    (structure,) = dataset.to_structures()
    assert structure.lattice.pbc == (False, False, False)
    assert Dataset.from_structures([structure]).fingerprints == dataset.fingerprints


def test_partly_occupied_sites_are_refused():
    alloy = Structure(Lattice.cubic(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(ValueError, match="partly occupied sites: order it"):
        Dataset.from_structures([alloy])


def test_species_that_are_no_element_are_named():
    frame = Structure(Lattice.cubic(3), [DummySpecies("Xa")], [[0, 0, 0]])
    with pytest.raises(ValueError, match=r"frame 0: its species 'Xa.*no element"):
        Dataset.from_structures([frame])


def test_pymatgen_needs_three_vectors():
    slab = fcc111("Cu", (1, 1, 2))
    with pytest.raises(ValueError, match="give it a vacuum cell"):
        Dataset.from_atoms([slab]).to_structures()


def test_atomate2_static_documents(clean_dir, jobstore):
    """A document that atomate2 itself wrote gives ASE's own energy, forces, stress."""
    atoms = bulk("Ar", a=5.0, cubic=True)
    atoms.rattle(0.05, seed=4)
    settings = {"sigma": 3.4, "epsilon": 0.0104, "rc": 8.0}
    job = ForceFieldStaticMaker(
        force_field_name={"@module": "ase.calculators.lj", "@callable": "LennardJones"},
        calculator_kwargs=settings,
    ).make(AseAtomsAdaptor.get_structure(atoms))
    run_locally(job, store=jobstore, ensure_success=True)
    read = jobstore.get_output(job.uuid)

    atoms.calc = LennardJones(**settings)
    for document in (read, jsanitize(read)):
        dataset = Dataset.from_static_documents([document, document])
        assert len(dataset) == 2
        assert dataset.energy[1] == pytest.approx(atoms.get_potential_energy())
        assert np.allclose(dataset[0].get_forces(), atoms.get_forces(), atol=1e-10)
        assert np.allclose(dataset[0].get_stress(), atoms.get_stress(), atol=1e-10)


def test_a_document_without_geometry_is_refused():
    with pytest.raises(ValueError, match="document 0 has neither structure nor"):
        Dataset.from_static_documents([{"output": {"energy": 1.0}}])
