import time

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from e3nn.o3 import Irreps
from mace.calculators import MACECalculator
from mace.modules import interaction_classes

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.geometry.collapse import CollapsedCellError
from flowpot.evaluation import CommitteeCalculator, evaluate_committee
from flowpot.evaluation.streaming import spread_over
from flowpot.potentials import calculator, evaluate_members, load_potential
from flowpot.potentials.batching import batches
from flowpot.potentials.mace import MACEPotential


def finite_difference_stress(potential, atoms, step=1e-5):
    """dE/dstrain over the volume, for all six strains, as a full tensor."""
    stress = np.zeros((3, 3))
    for a in range(3):
        for b in range(a, 3):
            energies = []
            for sign in (1, -1):
                strain = np.zeros((3, 3))
                strain[a, b] += sign * step / 2
                strain[b, a] += sign * step / 2
                strained = atoms.copy()
                strained.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=False)
                strained.positions = atoms.positions @ (np.eye(3) + strain)
                energies.append(potential.evaluate_atoms(strained)[0])
            slope = (energies[0] - energies[1]) / (2 * step)
            stress[a, b] = stress[b, a] = slope / atoms.cell.volume
    return stress


def test_equals_maces_own_calculator(model_files, frames):
    potential = load_potential(model_files[0], "cpu")
    own = MACECalculator(model_paths=[str(model_files[0])], device="cpu")
    periodic = frames[frames.pbc.all(axis=1)]
    found = potential.evaluate(periodic)
    start = 0
    for i, atoms in enumerate(periodic):
        stop = start + len(atoms)
        own.calculate(atoms)
        expected = own.results
        assert found.energy[i] == pytest.approx(expected["energy"], rel=1e-6)
        assert np.allclose(found.forces[start:stop], expected["forces"], atol=1e-5)
        voigt = found.stress[i][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        assert np.allclose(voigt, expected["stress"], atol=1e-6)
        start = stop


def test_forces_of_non_periodic_frames_equal_maces_own(model_files, frames):
    potential = load_potential(model_files[0], "cpu")
    own = MACECalculator(model_paths=[str(model_files[0])], device="cpu")
    for atoms in frames:
        own.calculate(atoms)
        energy, forces, _ = potential.evaluate_atoms(atoms)
        assert energy == pytest.approx(own.results["energy"], rel=1e-6)
        assert np.allclose(forces, own.results["forces"], atol=1e-5)


@pytest.mark.parametrize(
    ("block", "distances", "features"),
    [
        ("RealAgnosticResidualInteractionBlock", "None", "8x0e"),
        ("RealAgnosticResidualInteractionBlock", "Agnesi", "8x0e + 8x1o"),
        ("RealAgnosticDensityResidualInteractionBlock", "Agnesi", "8x0e + 8x1o"),
        ("RealAgnosticResidualNonLinearInteractionBlock", "Agnesi", "8x0e"),
    ],
)
def test_every_kind_of_block(random_mace, tmp_path, block, distances, features):
    """Also those whose radial networks read the elements; with pair repulsion."""
    kind = interaction_classes[block]
    options = {"interaction_cls": kind, "distance_transform": distances}
    if "NonLinear" in block:
        options |= {"interaction_cls_first": kind, "edge_irreps": Irreps("8x0e")}
    model = random_mace(
        *(1, ("Si", "Ge"), "float64"),
        hidden_irreps=features,
        pair_repulsion=True,
        **options,
    )
    torch.save(model, tmp_path / "some.model")
    atoms = bulk("SiGe", "zincblende", a=5.5) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    own = MACECalculator(model_paths=[str(tmp_path / "some.model")], device="cpu")
    own.calculate(atoms)
    energy, forces, stress = MACEPotential(model, "cpu").evaluate_atoms(atoms)
    assert energy == pytest.approx(own.results["energy"], abs=1e-9)
    assert np.allclose(forces, own.results["forces"], atol=1e-9)
    voigt = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    assert np.allclose(voigt, own.results["stress"], atol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 9, 40, 10_000])
def test_the_batch_does_not_matter(model_files, precise, frames, batch_size):
    single = load_potential(model_files[0], "cpu")
    for potential, tolerance in ((single, 1e-5), (precise, 1e-10)):
        alone = [potential.evaluate_atoms(atoms) for atoms in frames]
        found = potential.evaluate(frames, batch_size)
        energies, forces, stresses = zip(*alone, strict=True)
        assert np.allclose(found.energy, energies, rtol=0, atol=tolerance)
        assert np.allclose(found.forces, np.concatenate(forces), atol=tolerance)
        assert np.allclose(found.stress, stresses, atol=tolerance, equal_nan=True)


def test_stress_is_the_strain_derivative_for_every_periodicity(precise, frames):
    for atoms in frames:
        stress = precise.evaluate_atoms(atoms)[2]
        if not atoms.pbc.any() or atoms.cell.volume == 0:
            assert np.isnan(stress).all()
            continue
        expected = finite_difference_stress(precise, atoms)
        assert np.abs(stress).max() > 1e-5
        assert np.allclose(stress, expected, atol=1e-7)


def test_forces_are_the_derivative_of_the_energy(precise, frames):
    step = 1e-4
    for atoms in frames:
        forces = precise.evaluate_atoms(atoms)[1]
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[0, axis] += sign * step
                energies.append(precise.evaluate_atoms(moved)[0])
            slope = (energies[0] - energies[1]) / (2 * step)
            assert forces[0, axis] == pytest.approx(-slope, abs=1e-6)


def test_vacuum_does_not_matter(precise):
    """A frame's energy and forces do not depend on how much vacuum its cell has."""
    slab = bulk("Si", cubic=True)
    slab.pbc = (True, True, False)
    slab.rattle(0.05, seed=1)
    energies = []
    for height in (0.0, 5.43, 9.7, 30.0):
        slab.cell[2] = [0, 0, height]
        energies.append(precise.evaluate_atoms(slab)[0])
    assert np.ptp(energies) < 1e-9


def test_atoms_outside_their_cell(precise, silicon):
    silicon.rattle(0.1, seed=1)
    moved = silicon.copy()
    moved.positions[3] += silicon.cell.array.T @ [3, -2, 1]
    a, b = precise.evaluate_atoms(silicon), precise.evaluate_atoms(moved)
    assert a[0] == pytest.approx(b[0], abs=1e-9)
    assert np.allclose(a[1], b[1])
    assert np.allclose(a[2], b[2])


def test_one_atom_has_the_energy_it_was_trained_with(precise):
    energy, forces, stress = precise.evaluate_atoms(Atoms("Ge"))
    assert energy == pytest.approx(-200.0)
    assert np.all(forces == 0)
    assert np.isnan(stress).all()
    assert precise.reference_energies == {"Si": -100.0, "Ge": -200.0}


def test_members_build_each_graph_once(model_files, frames, monkeypatch):
    potentials = [load_potential(path, "cpu") for path in model_files]
    alone = [potential.evaluate(frames) for potential in potentials]
    built = []
    for potential in potentials:
        original = potential.build_graph
        monkeypatch.setattr(
            potential,
            "build_graph",
            lambda geometry, original=original: built.append(1) or original(geometry),
        )
    found = evaluate_members(potentials, frames, batch_size=10_000)
    assert len(built) == 2  # two cutoffs
    for name in ("energy", "forces", "stress"):
        stacked = np.stack([getattr(each, name) for each in alone])
        assert np.allclose(getattr(found, name), stacked, atol=1e-5, equal_nan=True)


def test_no_frames(precise, frames):
    found = precise.evaluate(frames[:0])
    assert found.energy.shape == (0,)
    assert found.stress.shape == (0, 3, 3)


def test_unknown_element(precise):
    with pytest.raises(ValueError, match="have C, which the potential was not trained"):
        precise.evaluate(Dataset.from_atoms([bulk("C")]))


def test_batch_sizes():
    assert [b.stop for b in batches(np.array([5, 5, 20, 1]), 10)] == [2, 3, 4]
    with pytest.raises(ValueError, match="batch_size is 0"):
        list(batches(np.array([1]), 0))


@pytest.mark.parametrize("size", [0, -5, 2.5, "8"])
def test_sizes_of_batches_that_are_none(precise, frames, size):
    for evaluate in (precise.evaluate, lambda *a: evaluate_members([precise], *a)):
        with pytest.raises(ValueError, match=f"batch_size is {size!r}: use 1 or more"):
            evaluate(frames, size)


def test_what_is_no_dataset(precise):
    for evaluate in (precise.evaluate, lambda *a: evaluate_members([precise], *a)):
        with pytest.raises(TypeError, match="type Atoms: give a Dataset, such as Data"):
            evaluate(bulk("Si"))


def test_load_from_file_artifact_and_document(model_files, silicon):
    path = model_files[0]
    artifact = Artifact.from_file(path)
    sources = [path, str(path), artifact, artifact.model_dump()]
    sources += [
        {"model": artifact, "backend": "mace"},
        {"model": artifact.model_dump()},
    ]
    energies = [load_potential(s, "cpu").evaluate_atoms(silicon)[0] for s in sources]
    assert np.ptp(energies) == 0


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_potential(tmp_path / "absent.model")
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match="cannot tell which package made"):
        load_potential(tmp_path / "model.bin")
    with pytest.raises(TypeError, match="no model in a int"):
        load_potential(3)


def test_ase_calculator(model_files, silicon):
    silicon.rattle(0.05, seed=3)
    silicon.calc = calculator(model_files[0], device="cpu")
    energy, forces, stress = silicon.calc.potential.evaluate_atoms(silicon)
    assert silicon.get_potential_energy() == energy
    assert np.array_equal(silicon.get_forces(), forces)
    assert np.allclose(silicon.get_stress(voigt=False), stress, atol=1e-12)
    molecule = Atoms("Si2", [[0, 0, 0], [0, 0, 2.2]], calculator=silicon.calc)
    assert molecule.get_potential_energy() < 0
    with pytest.raises(NotImplementedError):
        molecule.get_stress()


@pytest.mark.parametrize("batch_size", [1, 9, None])
def test_descriptors_are_means_of_the_scalar_features(
    model_files, precise, frames, batch_size
):
    """Against MACE's own descriptors of fully periodic frames."""
    single = load_potential(model_files[0], "cpu")
    own = MACECalculator(model_paths=[str(model_files[0])], device="cpu")
    found = single.descriptors(frames, batch_size)
    for row in np.flatnonzero(frames.pbc.all(axis=1)):
        expected = own.get_descriptors(frames[row], invariants_only=True).mean(axis=0)
        assert np.allclose(found[row], expected, atol=1e-5)
    exact = precise.descriptors(frames, batch_size)
    assert np.allclose(exact, precise.descriptors(frames, 10_000), atol=1e-10)
    assert len({tuple(row) for row in exact.round(3)}) >= len(frames) - 1


def test_descriptors_do_not_turn_with_the_frame(precise, frames):
    turned, repeated = [], []
    for atoms in frames:
        atoms.rotate(40, (1, 2, 3), rotate_cell=True)
        turned.append(atoms[::-1])
        repeated.append(atoms * (1 + atoms.pbc))
    found = precise.descriptors(frames)
    for changed in (turned, repeated):
        assert np.allclose(precise.descriptors(Dataset.from_atoms(changed)), found)


def test_no_frames_have_no_descriptors(precise, frames):
    assert len(precise.descriptors(frames[:0])) == 0


def test_a_collapsed_cell_is_refused_before_it_takes_minutes(random_mace):
    """And a committee predicts the frames beside it."""
    potentials = [MACEPotential(random_mace(seed), "cpu") for seed in (1, 2)]
    good, flat = bulk("Si"), bulk("Si", cubic=True)
    flat.set_cell([9.0, 9.0, 0.05])
    frames = Dataset.from_atoms([good, flat, good])
    begun = time.perf_counter()
    for refused in (
        lambda: potentials[0].evaluate(frames),
        lambda: potentials[0].descriptors(frames),
        lambda: potentials[0].evaluate_atoms(flat),
        lambda: CommitteeCalculator(potentials).calculate(flat),
    ):
        with pytest.raises(CollapsedCellError, match="its cell has shrunk or is nearl"):
            refused()
    prediction = evaluate_committee(potentials, frames)
    assert np.isnan(prediction.energy[0]).tolist() == [False, True, False]
    assert np.isnan(prediction.forces[0, :, 0]).sum() == 8
    alone = potentials[0].evaluate(frames[::2])
    assert np.allclose(prediction.energy[0, ::2], alone.energy)
    spread = spread_over(potentials, frames).disagreement
    assert np.isnan(spread["energy"]).tolist() == [False, True, False]
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize("kind", [CommitteeCalculator, MACEPotential.calculator])
def test_geometries_that_are_none_are_refused_in_ase(precise, kind):
    """The neighbour search hangs at a NaN."""
    flat, lost = bulk("Si", cubic=True), bulk("Si", cubic=True)
    flat.cell[2] = 0.0
    lost.positions[1, 2] = np.nan
    calculator = kind(precise)
    with pytest.raises(ValueError, match=r"the position of atom 1 is .*nan"):
        calculator.calculate(lost)
    with pytest.raises(ValueError, match="no volume along the periodic axes"):
        calculator.calculate(flat)
    with pytest.raises(ValueError, match="it has no atoms"):
        calculator.calculate(Atoms())


@pytest.mark.parametrize("kind", [CommitteeCalculator, MACEPotential.calculator])
def test_atoms_at_the_same_place_are_named(precise, kind):
    atoms = bulk("Si", cubic=True)
    atoms.positions[5] = atoms.positions[2] + atoms.cell[0]
    calculator = kind(precise)
    with pytest.warns(UserWarning, match="atoms 2 and 5 are at the same place; move"):
        calculator.calculate(atoms)
    assert np.isnan(calculator.results["energy"])
