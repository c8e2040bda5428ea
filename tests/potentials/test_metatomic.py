import numpy as np
import pytest
from ase import Atoms
from metatomic_ase import MetatomicCalculator

from flowpot.dataset import Dataset
from flowpot.potentials import evaluate_members, load_potential

from .test_mace import finite_difference_stress


@pytest.fixture(scope="module", params=["float32", "float64"])
def path(request, random_pet, tmp_path_factory):
    path = tmp_path_factory.mktemp("pet") / "model.pt"
    random_pet(1, ("Si", "Ge"), request.param).save(str(path))
    return path


@pytest.fixture
def tolerance(path, request):
    return 1e-5 if "float32" in request.node.name else 1e-10


def test_equals_metatomics_own_calculator(path, frames, tolerance):
    potential = load_potential(path, "cpu")
    for atoms in frames:
        energy, forces, stress = potential.evaluate_atoms(atoms)
        atoms.calc = MetatomicCalculator(path, device="cpu")
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=tolerance)
        assert np.allclose(forces, atoms.get_forces(), atol=tolerance)
        if atoms.pbc.all():
            assert np.allclose(stress, atoms.get_stress(voigt=False), atol=tolerance)


def test_the_batch_does_not_matter(path, frames, tolerance):
    potential = load_potential(path, "cpu")
    one, all_ = potential.evaluate(frames, 1), potential.evaluate(frames, 10_000)
    assert np.allclose(one.energy, all_.energy, rtol=0, atol=tolerance)
    assert np.allclose(one.forces, all_.forces, atol=tolerance)
    assert np.allclose(one.stress, all_.stress, atol=tolerance, equal_nan=True)


def test_stress_is_the_strain_derivative_for_every_periodicity(path, frames, tolerance):
    if tolerance > 1e-6:
        pytest.skip("finite differences want float64")
    potential = load_potential(path, "cpu")
    for atoms in frames:
        stress = potential.evaluate_atoms(atoms)[2]
        if not atoms.pbc.any() or atoms.cell.volume == 0:
            assert np.isnan(stress).all()
            continue
        expected = finite_difference_stress(potential, atoms, step=1e-4)
        assert np.allclose(stress, expected, atol=1e-7)


def test_one_atom(path):
    energy, forces, stress = load_potential(path, "cpu").evaluate_atoms(Atoms("Ge"))
    assert np.isfinite(energy)
    assert np.allclose(forces, 0)
    assert np.isnan(stress).all()


def test_a_committee_of_two_backends(path, model_files, frames):
    potentials = [load_potential(each, "cpu") for each in (model_files[0], path)]
    found = evaluate_members(potentials, frames)
    assert found.forces.shape == (2, len(frames.numbers), 3)
    alone = potentials[1].evaluate(frames)
    assert np.allclose(found.energy[1], alone.energy, atol=1e-4)


def test_descriptors_are_those_of_the_model(path, frames, tolerance):
    potential = load_potential(path, "cpu")
    found = potential.descriptors(frames, 1)
    assert np.allclose(found, potential.descriptors(frames, 10_000), atol=tolerance)
    moved = [atoms[::-1] for atoms in frames]
    for atoms in moved:
        atoms.positions += [0.3, -1.2, 0.7]
    again = potential.descriptors(Dataset.from_atoms(moved))
    assert np.allclose(found, again, atol=tolerance)
    distances = np.linalg.norm(found - found[:1], axis=1)
    assert np.all(distances[1:] > 100 * tolerance)


def test_a_model_without_features(path, frames):
    potential = load_potential(path, "cpu")
    potential._outputs = {"energy"}
    with pytest.raises(NotImplementedError, match=r"no output 'feature'.*or with PET"):
        potential.descriptors(frames)
