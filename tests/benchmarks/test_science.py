"""The parts of the studies in ``science`` that can be checked in seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest
from alloy import TEACHER, campaigns, mixing, random_alloys
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from campaigns import with_steps
from carbon_amorphous import Quench, coordination, distribution, peaks, summary
from carbon_campaign import EXPLORATION, carbon_campaign, inputs
from carbon_defects import bond_of, defects, formation_energy, sheet
from carbon_iterations import maps, rates
from carbon_phases import FACTORS, centred, energies_of, minimum, phases
from committees import TRAINER
from fine_tuning import Comparison
from outcome import RESULTS, keep
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from silicon_phases import phases as silicon_phases
from silicon_phases import stacked
from silicon_phonons import compared, table_of
from snap import Bispectrum, SnapPotential, fit_committee
from teachers import CARBON, as_member

from flowpot import ValidationMaker
from flowpot.dataset import Dataset
from flowpot.demo import silicon_structures
from flowpot.evaluation import evaluate_committee


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return CARBON.calculator(tmp_path_factory.mktemp("teacher"))


def test_the_teacher_has_the_published_minima(teacher):
    """Los and Fasolino, Phys. Rev. B 68, 024107: -7.35 eV, 3.566 A, 1.420 A."""
    found = {}
    for name in ("diamond", "graphene", "dimer"):
        phase = centred(phases()[name], teacher)
        cells = [phase.at(factor) for factor in FACTORS]
        found[name] = minimum(phase, FACTORS, energies_of(teacher, cells))
    assert found["diamond"]["energy"] == pytest.approx(-7.35, abs=0.03)
    assert found["diamond"]["bond"] == pytest.approx(3.566 * 3**0.5 / 4, abs=0.005)
    assert 400 < found["diamond"]["bulk modulus"] < 500
    assert found["graphene"]["bond"] == pytest.approx(1.42, abs=0.005)
    assert "bulk modulus" not in found["graphene"]
    assert 1.2 < found["dimer"]["bond"] < 1.4


def test_phases_are_scaled_along_their_axes_only():
    for name, phase in phases().items():
        longer = replace(phase, atoms=phase.at(1.1))
        assert longer.bond == pytest.approx(1.1 * phase.bond), name
        fixed = [axis for axis in range(3) if axis not in phase.axes]
        cells = longer.atoms.cell.lengths(), phase.atoms.cell.lengths()
        assert np.allclose(*(lengths[fixed] for lengths in cells)), name
    assert [p.trained for p in phases().values()].count(True) == len(inputs())


def test_a_curve_without_a_minimum_has_none():
    phase = phases()["diamond"]
    assert minimum(phase, FACTORS, -FACTORS)["energy"] is None


def neighbours(atoms: Atoms) -> np.ndarray:
    distances = atoms.get_all_distances(mic=True)
    return ((distances < 1.6) & (distances > 0)).sum(axis=1)


def test_defects_have_the_bonds_that_they_should():
    perfect = sheet(5)
    first, second = bond_of(perfect)
    assert perfect.get_distance(first, second, mic=True) == pytest.approx(
        1.42, abs=0.01
    )
    found = defects(perfect)
    dangling = {name: int((neighbours(a) == 2).sum()) for name, a in found.items()}
    assert dangling["monovacancy"] == 3
    assert dangling["divacancy"] == 4
    turned = found["Stone-Wales"]
    length = turned.get_distance(first, second, mic=True)
    assert length == pytest.approx(1.42, abs=0.01)
    moved = np.linalg.norm(turned.positions - perfect.positions, axis=1) > 0.1
    assert moved.sum() == 2


def test_what_is_perfect_costs_nothing():
    assert formation_energy(-98.0, 14, -350.0, 50) == pytest.approx(0)
    assert formation_energy(-90.0, 14, -350.0, 50) == pytest.approx(8)


def test_distribution_of_diamond_and_of_a_gas():
    diamond = bulk("C", "diamond", a=3.57, cubic=True) * 3
    assert coordination([diamond])["sp3"] == 1
    found = peaks(*distribution([diamond]))
    edge = diamond.cell.lengths()[0] / 3
    assert found["first"][0] == pytest.approx(edge * 3**0.5 / 4, abs=0.03)
    assert found["second"][0] == pytest.approx(edge / 2**0.5, abs=0.03)
    gas = Atoms("C400", np.random.default_rng(0).uniform(0, 15, (400, 3)))
    gas.set_cell([15] * 3)
    gas.pbc = True
    distances, values = distribution([gas] * 2)
    assert values[distances > 2].mean() == pytest.approx(1, abs=0.05)
    with pytest.raises(ValueError, match="frames is empty"):
        distribution([])


def test_a_quench_begins_without_order():
    start = Quench().start(seed=3)
    density = start.get_masses().sum() * 1.66054 / start.get_volume()
    assert density == pytest.approx(3.5, abs=1e-3)
    distances = start.get_all_distances(mic=True)
    assert 1.3 <= distances[distances > 0].min() < 1.4
    assert coordination([start])["sp3"] < 0.5


def test_a_quench_that_ends_early_is_told():
    frames = Dataset.from_atoms([bulk("C", "diamond", a=3.57, cubic=True) * 2])
    table = summary([frames, "melt, step 3 of 9: atoms too close"])
    assert table["ended early"] == ["melt, step 3 of 9: atoms too close"]
    assert table["coordination"]["sp3"] == 1
    assert "peaks" not in summary(["melt, step 3 of 9: atoms too close"])


def test_rates_over_both_thresholds():
    """Where the spread is the error, equal thresholds find all and nothing else."""
    values = np.geomspace(0.01, 1, 300)
    x, y, tpr, ppv = maps(values, values)
    assert np.allclose(x, y)
    assert np.allclose(np.diag(tpr), 1)
    assert np.allclose(np.diag(ppv), 1)
    assert (tpr[5, 20], ppv[20, 5]) == (1, 1)
    assert tpr[20, 5] < 1
    assert ppv[5, 20] < 1
    assert rates(np.zeros(2, bool), np.ones(2, bool)) == (0, None)


def test_the_campaign_labels_what_it_explores(tmp_path):
    """With the teacher as its own pupil: forces are minus the slope of the energy."""
    engine = replace(EXPLORATION.md_maker, n_steps=4, sample_interval=2)
    plan = replace(EXPLORATION, md_maker=engine, n_starts=3)
    campaign = carbon_campaign(tmp_path, exploration=plan)
    starts = Dataset.from_atoms(inputs())
    member = as_member("carbon", tmp_path / "member")
    found = campaign.explore([member], starts, seed=1)
    assert len(found) == 6
    assert np.isfinite(found.energy).all()
    (frame,) = found[:1].without_labels().to_atoms()
    moved = []
    for step in (-1e-4, 1e-4):
        atoms = frame.copy()
        atoms.positions[0, 0] += step
        moved.append(campaign.label(Dataset.from_atoms([atoms])).energy[0])
    slope = (moved[1] - moved[0]) / 2e-4
    assert found[:1].forces[0, 0] == pytest.approx(-slope, abs=1e-3)


def test_a_committee_that_is_its_teacher_has_its_phonons(tmp_path):
    maker = ValidationMaker(properties=("phonons",), supercell_length=5.0)
    _, document = compared([EMT], EMT, bulk("Cu"), tmp_path, maker)
    table = table_of(document)
    assert table["largest deviation"] == pytest.approx(0, abs=1e-6)
    assert table["quantities"]["highest_frequency"]["mean"] > 5


def test_results_say_where_they_come_from(tmp_path):
    path = keep(
        "some", "eV", {"a": np.float64(1.23456), "b": [None, True]}, None, tmp_path
    )
    found = json.loads(path.read_text())
    assert (found["a"], found["b"], found["what"]) == (1.235, [None, True], "eV")
    assert found["script"].startswith("tests/benchmarks/science/")
    assert len(found["date"]) == len("2026-11-28")


def test_labels_to_tune_on_are_as_many_as_asked_for(tmp_path):
    comparison = Comparison(tmp_path, foundation=None, scratch=TRAINER)
    few, more = (comparison.labelled(n, seed=0) for n in (10, 40))
    for n, frames in ((10, few), (40, more)):
        assert (frames.n_atoms > 1).sum() == n
        assert (frames.n_atoms == 1).sum() == 1
        for name in ("val", "test"):
            assert (frames.info["split"] == name).sum() == n // 10
    assert np.isin(few.fingerprints, more.fingerprints).all()


@pytest.mark.parametrize("phase", ["fcc", "bcc"])
def test_alloys_have_the_compositions_and_both_ends(phase, tmp_path):
    frames, shares = random_alloys(phase, 2, seed=0)
    assert len(frames) == 2 * 7 + 2
    assert (shares[0], shares[-1]) == (0, 1)
    found = mixing(TEACHER.label(frames, tmp_path).energy / frames.n_atoms, shares)
    assert found[[0, -1]] == pytest.approx(0)
    assert 0.001 < np.abs(found[1:-1]).max() < 0.05


def test_both_campaigns_on_alloys_have_as_many_labels(tmp_path):
    of = campaigns(tmp_path)
    counts = {
        name: (campaign.start().n_atoms > 1).sum() for name, campaign in of.items()
    }
    # The inputs are among them. What the last iteration chooses is not learned.
    end = of["end members"]
    chosen = end.n_labels * (end.n_iterations - 1)
    assert counts["alloys"] == counts["end members"] + chosen
    pure = end.start()
    assert all(len(set(frame.symbols)) == 1 for frame in pure)


@pytest.fixture(scope="module")
def carbide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snap")
    return Bispectrum(("C", "Si"), 3.5, folder, order=4)


def skewed(repeat=1) -> Atoms:
    atoms = bulk("SiC", "zincblende", a=4.3) * (repeat, 1, 1)
    strain = np.random.default_rng(1).normal(0, 0.05, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def predict(potential, *frames: Atoms):
    return potential.evaluate(Dataset.from_atoms(frames, labels=False))


def test_the_linear_potential_has_the_slopes_of_its_energy(carbide):
    """Central differences in positions, and in strains of a skewed cell."""
    atoms = skewed()
    size = len(carbide.of(Dataset.from_atoms([atoms], labels=False).frame(0)).energy)
    parameters = np.random.default_rng(0).normal(0, 1e-3, size)
    potential = SnapPotential(carbide, parameters)
    found = predict(potential, atoms)
    for atom, axis in ((0, 0), (1, 2)):
        both = []
        for step in (1e-4, -1e-4):
            both.append(atoms.copy())
            both[-1].positions[atom, axis] += step
        up, down = predict(potential, *both).energy
        assert found.forces[atom, axis] == pytest.approx(-(up - down) / 2e-4, rel=1e-5)
    for i, j in ((0, 0), (0, 1), (2, 1)):
        both = []
        for step in (1e-5, -1e-5):
            strain = np.eye(3)
            strain[i, j] += step / 2
            strain[j, i] += step / 2
            both.append(atoms.copy())
            both[-1].set_cell(atoms.cell.array @ strain, scale_atoms=True)
        up, down = predict(potential, *both).energy
        slope = (up - down) / 2e-5 / atoms.get_volume()
        assert found.stress[0, i, j] == pytest.approx(slope, rel=1e-5)


def test_labels_of_a_linear_potential_are_found_again(carbide):
    """Of enough frames; its committee agrees on them, and its mean is the fit."""
    frames = []
    for seed in range(40):
        frames.append(skewed(2))
        frames[-1].rattle(0.1, seed=seed)
    dataset = Dataset.from_atoms(frames, labels=False)
    size = len(carbide.of(dataset.frame(0)).energy)
    true = SnapPotential(carbide, np.random.default_rng(0).normal(0, 1e-3, size))
    said = true.evaluate(dataset)
    split = np.array((["train"] * 8 + ["val", "test"]) * 4, dtype=object)
    labelled = dataset.with_labels(said.energy, said.forces, said.stress)
    labelled = labelled.with_info(split=split)
    (one,) = fit_committee(carbide, labelled, 1, seed=0)
    four = fit_committee(carbide, labelled, 4, seed=0)
    unseen = labelled[split == "test"]
    predicted = evaluate_committee(four, unseen)
    scale = float(np.sqrt(np.mean(unseen.forces**2)))
    assert np.abs(predicted.forces.mean(0) - unseen.forces).max() < 1e-3 * scale
    assert predicted.forces.std(0).max() < 1e-2 * scale
    mean = np.mean([member.parameters for member in four], axis=0)
    assert mean == pytest.approx(one.parameters)


def test_as_many_steps_of_more_frames_are_fewer_epochs():
    few, more = (
        Dataset.from_atoms([skewed()] * n, labels=False).with_info(
            split=np.array(["train"] * n, dtype=object)
        )
        for n in (10, 40)
    )
    epochs = [
        with_steps(TRAINER, frames, 1000).hyperparameters["max_num_epochs"]
        for frames in (few, more)
    ]
    assert epochs == [500, 125]


@pytest.mark.parametrize(
    ("name", "n_labels"),
    [
        ("espresso_campaign", 94),
        ("espresso_demo_weights", 322),
        ("espresso_random_cells", 521),
    ],
)
def test_the_labels_of_the_pw_campaigns_can_be_taken_up(name, n_labels):
    """The file and the table beside it are of the same run."""
    frames = Dataset.load(RESULTS / f"{name}.h5")
    table = json.loads((RESULTS / f"{name}.json").read_text())
    assert len(frames) == table["iterations"][-1]["labels"] == n_labels
    assert frames.is_labelled.all()


@pytest.mark.parametrize(("sequence", "number"), [("ABC", 0), ("AB", 1)])
def test_polytypes_are_those_of_the_demo(sequence, number):
    ours, theirs = (
        AseAtomsAdaptor.get_structure(atoms)
        for atoms in (stacked(sequence), silicon_structures()[number])
    )
    assert StructureMatcher(scale=False, stol=0.001).fit(ours, theirs)


@pytest.mark.parametrize(
    ("name", "n_neighbours"),
    {"BC8": 4, "4H": 4, "ST12": 4, "beta-tin": 6, "simple cubic": 6}.items(),
)
def test_phases_have_their_coordination(name, n_neighbours):
    atoms = silicon_phases()[name].atoms
    assert np.all(np.bincount(neighbor_list("i", atoms, 2.75)) == n_neighbours)
