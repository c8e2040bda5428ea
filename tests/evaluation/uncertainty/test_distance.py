"""The uncertainties, against their definitions and against what they are to see."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    CommitteeCalculator,
    CommitteeSpread,
    Criteria,
    FeatureDistance,
    disagreement,
    evaluate_committee,
    judge,
)
from flowpot.potentials.features import FeatureStatistics
from flowpot.potentials.mace import MACEPotential


@pytest.fixture(scope="module")
def members(random_mace):
    return [MACEPotential(random_mace(seed, ("Cu", "Si")), "cpu") for seed in (1, 2)]


def rattled(n, stdev, seed=0, symbol="Si") -> Dataset:
    frames = []
    for i in range(n):
        cell = bulk(symbol, "diamond", a=5.43, cubic=True)
        atoms = cell * (1 + i % 2, 1, 1)
        atoms.rattle(stdev, seed=seed + i)
        frames.append(atoms)
    return Dataset.from_atoms(frames)


@pytest.fixture(scope="module")
def training():
    return rattled(12, 0.05)


@pytest.fixture(scope="module")
def distance(members, training):
    return FeatureDistance.fit(members, training)


def test_it_is_the_mahalanobis_distance_of_the_features(members, training, distance):
    """With the correlation matrix shrunk towards the identity, written out."""
    known = np.concatenate([x for _, x in members[0].atom_features(training)])
    new = rattled(3, 0.2, seed=50)
    features = np.concatenate([x for _, x in members[0].atom_features(new)])
    n, width = known.shape
    deviation = known.std(axis=0)
    scale = np.maximum(deviation, 1e-3 * np.sqrt((deviation**2).mean()))
    share = width / (n + width)
    correlation = np.cov(known.T, bias=True) / np.outer(scale, scale)
    shrunk = (1 - share) * correlation + share * np.eye(width)
    x = (features - known.mean(axis=0)) / scale
    expected = np.sqrt(np.einsum("ij,ij->i", x, np.linalg.solve(shrunk, x.T).T))
    atoms = distance.measure_atoms(members, new)["feature_distance"]
    assert atoms == pytest.approx(expected, rel=1e-3)
    found = distance.measure(members, new)
    for i in range(len(new)):
        here = expected[new.offsets[i] : new.offsets[i + 1]]
        assert found["feature_distance"][i] == pytest.approx(here.max(), rel=1e-3)
        assert found["feature_distance_rms"][i] == pytest.approx(
            np.sqrt((here**2).mean()), rel=1e-3
        )


def test_it_grows_with_what_was_not_learned(members, distance):
    """Unlike a mean over atoms, the largest sees one wrong atom among many."""
    found = [
        distance.measure(members, rattled(6, stdev, seed=90)) for stdev in (0.05, 0.3)
    ]
    for name in ("feature_distance", "feature_distance_rms", "rigidity"):
        near, far = (each[name].mean() for each in found)
        assert far > 1.2 * near
    frames = rattled(1, 0.05, seed=90)[0] * (3, 3, 3)
    moved = frames.copy()
    moved.positions[0] += 0.7
    pair = distance.measure(members, Dataset.from_atoms([frames, moved]))
    largest, rms = pair["feature_distance"], pair["feature_distance_rms"]
    assert largest[1] / largest[0] > rms[1] / rms[0] > 1


def test_neither_batches_nor_files_nor_scales_matter(members, training, distance):
    new = rattled(5, 0.1, seed=30)
    expected = distance.measure(members, new)
    kept = FeatureDistance.from_artifact(distance.to_artifact())
    one_by_one = [distance.measure(members, new[[i]]) for i in range(len(new))]

    class Scaled(MACEPotential):
        def describe_graph(self, graph):
            return 1e4 * super().describe_graph(graph)

    scaled = Scaled(members[0].model, "cpu")
    again = FeatureDistance.fit([scaled], training).measure([scaled], new)
    for name, values in expected.items():
        assert kept.measure(members, new)[name] == pytest.approx(values, rel=1e-3)
        assert np.concatenate([each[name] for each in one_by_one]) == pytest.approx(
            values, rel=1e-3
        )
        assert again[name] == pytest.approx(values, rel=1e-2)


def test_a_species_that_was_not_learned_is_infinitely_far(members, distance):
    found = distance.measure(members, rattled(2, 0.05, symbol="Cu"))
    assert np.isinf(found["feature_distance"]).all()
    assert np.isinf(found["rigidity"]).all()


def test_few_atoms_and_constant_features_have_a_distance(members):
    perfect = Dataset.from_atoms([bulk("Si", cubic=True)])
    found = FeatureDistance.fit(members, perfect).measure(members, rattled(2, 0.1))
    assert np.isfinite(found["feature_distance"]).all()
    assert (found["feature_distance"] > 1).all()


def test_the_statistics_are_small(members, distance):
    assert len(distance.statistics.to_bytes()) < 1e6
    assert distance.statistics.species == ("Si",)
    with pytest.raises(ValueError, match="give at least one"):
        FeatureStatistics.fit(members[0], rattled(0, 0.1))


def test_the_spread_is_the_disagreement(members):
    frames = rattled(3, 0.1)
    found = CommitteeSpread().measure(members, frames)
    for name, values in disagreement(
        evaluate_committee(members, frames), frames
    ).items():
        assert found[name] == pytest.approx(values)
    atoms = CommitteeSpread().measure_atoms(members, frames)["forces"]
    squares = np.add.reduceat(atoms**2, frames.offsets[:-1]) / frames.n_atoms
    assert np.sqrt(squares) == pytest.approx(found["forces"])
    with pytest.raises(ValueError, match="use FeatureDistance with one"):
        CommitteeSpread().measure(members[:1], frames)


def test_what_is_of_another_potential_is_refused(members, distance, random_mace):
    other = MACEPotential(random_mace(1, ("Si",), hidden_irreps="8x0e"), "cpu")
    with pytest.raises(ValueError, match="they are of another potential"):
        distance.measure([other], rattled(1, 0.1))


def labelled_by(member, frames, **info) -> Dataset:
    """Labels of one potential, for which another is a committee that errs."""
    found = member.evaluate(frames)
    columns = {
        name: np.resize(np.array(v, object), len(frames)) for name, v in info.items()
    }
    return frames.with_labels(
        energy=found.energy, forces=found.forces, stress=found.stress
    ).with_info(**columns)


def test_a_committee_of_one_is_judged_by_its_features(members, tmp_path):
    """It has no spread; its error bars come from the distances alone."""
    teacher, member = members
    learned = labelled_by(
        teacher, rattled(40, 0.1), split=["train", "val"], config_type=["md"]
    )
    stdev = np.tile([0.05, 0.3], 20)
    frames = [rattled(1, s, seed=500 + i)[0] for i, s in enumerate(stdev)]
    explored = Dataset.from_atoms(frames).with_info(
        config_type=np.full(40, "md", dtype=object)
    )
    criteria = Criteria({"forces": 1e-3, "stress": 1e-4}, pilot_labels=0)
    found = judge([member], learned, explored, criteria)
    for fit in found.calibration.values():
        assert fit.covariate == "feature_distance"
        assert fit.n == 20
    assert found.selection.n_over > 0
    columns = found.chosen.info
    assert {"feature_distance", "rigidity"} <= set(columns)
    assert "disagreement_forces" not in columns
    training = learned[learned.info["split"] == "train"]
    seen = FeatureDistance.fit([member], training)
    with pytest.warns(UserWarning, match="too few frames"):
        made = CommitteeCalculator([member], found.calibration, uncertainties=[seen])
    assert set(made.untrusted) == {"forces", "stress"}
    atoms = frames[0].copy()
    atoms.calc = made
    atoms.get_forces()
    bars = atoms.calc.results
    assert len(bars["forces_error"]) == len(atoms)
    assert (bars["forces_error_95"] > bars["forces_error"]).all()
    assert bars["stress_error"] > 0


def test_features_see_what_all_members_miss(members):
    """Two members that are the same agree, and are as wrong as one."""
    teacher, member = members
    stdev = np.repeat([0.03, 0.25], 40)
    frames = Dataset.concatenate(
        [rattled(1, s, seed=900 + i) for i, s in enumerate(stdev)]
    )
    truth = labelled_by(teacher, frames, config_type=["md"])
    learned = labelled_by(
        teacher, rattled(20, 0.03), split=["train"], config_type=["distorted"]
    )
    pilot = truth[::2].with_info(split=np.full(40, "audit", dtype=object))
    everything = Dataset.concatenate([learned, pilot])
    error = np.sqrt(
        np.add.reduceat(
            ((member.evaluate(frames).forces - truth.forces) ** 2).mean(axis=1),
            frames.offsets[:-1],
        )
        / frames.n_atoms
    )
    tolerance = float(np.median(error))
    found = judge(
        [member, member], everything, frames[1::2], Criteria({"forces": tolerance})
    )
    assert found.calibration["forces"].rank_correlation > 0.5
    bad = error[1::2] > tolerance
    fit = found.calibration["forces"]
    assert fit.tpr > 0.7
    assert found.selection.n_over == pytest.approx(bad.sum(), abs=8)
