import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.potentials import Prediction
from flowpot.training import metrics


def test_perfect_predictions_have_no_error(silicon_set):
    frames = silicon_set[:4]
    found = metrics.rmse(
        Prediction(frames.energy, frames.forces, frames.stress), frames
    )
    assert found == {"energy": 0, "forces": 0, "stress": 0}


def test_errors_are_per_atom_and_per_component(silicon_set):
    frames = silicon_set[:2]
    forces = frames.forces.copy()
    forces[0, 0] += 4.0
    found = Prediction(frames.energy + np.array([8, -16]), forces, frames.stress + 0.5)
    rmse, mae = metrics.rmse(found, frames), metrics.mae(found, frames)
    assert rmse["energy"] == pytest.approx(np.sqrt((1 + 4) / 2))
    assert mae["energy"] == pytest.approx(1.5)
    assert rmse["forces"] == pytest.approx(4 / np.sqrt(48))
    assert mae["forces"] == pytest.approx(4 / 48)
    assert rmse["stress"] == pytest.approx(0.5)


def test_missing_labels_do_not_count(silicon_set):
    frames = silicon_set[:2]
    missing = frames.with_labels(stress=np.full((2, 3, 3), np.nan))
    found = Prediction(frames.energy, frames.forces, frames.stress)
    assert np.isnan(metrics.rmse(found, missing)["stress"])


def explored(frames, *iterations):
    """Return frames of which those with an iteration come from MD in it."""
    return frames.with_info(
        config_type=np.array(["md" if i else "strained" for i in iterations], object),
        iteration=np.array([i or np.nan for i in iterations], float),
    )


def test_errors_by_origin(silicon_set):
    """Six cells of eight atoms whose errors are known."""
    sets = {
        "train": explored(silicon_set[:4], 0, 10, 2, 0),
        "audit": explored(silicon_set[4:6], 10, 10),
    }
    off = {"train": np.array([8.0, 16.0, 24.0, -16.0]), "audit": np.array([0.0, 40.0])}
    predictions = {}
    for name, frames in sets.items():
        forces = frames.forces.copy()
        forces[frames.offsets[1], 0] += 2.0  # one component of the second frame
        energy = frames.energy + off[name]
        predictions[name] = Prediction(energy, forces, frames.stress + 0.5)
    errors, numbers = metrics.errors_by_origin(predictions, sets)
    assert list(errors) == ["augmented", "explored 2", "explored 10"]
    assert numbers == {
        "augmented": {"train": 2},
        "explored 2": {"train": 1},
        "explored 10": {"train": 1, "audit": 2},
    }
    assert errors["augmented"]["train"] == pytest.approx(
        {"energy": np.sqrt((1 + 4) / 2), "forces": 0, "stress": 0.5}
    )
    assert errors["explored 2"]["train"] == pytest.approx(
        {"energy": 3, "forces": 0, "stress": 0.5}
    )
    assert errors["explored 10"]["train"] == pytest.approx(
        {"energy": 2, "forces": 2 / np.sqrt(24), "stress": 0.5}
    )
    assert errors["explored 10"]["audit"] == pytest.approx(
        {"energy": 5 / np.sqrt(2), "forces": 2 / np.sqrt(48), "stress": 0.5}
    )


def test_squared_errors_of_origins_add_up_to_those_of_the_set(silicon_set):
    """Energies weigh by frames, forces and stresses by their components."""
    small = silicon_set[silicon_set.is_isolated_atom]
    frames = Dataset.concatenate([silicon_set[:7], small, small])
    origins = [0, 1, 1, 0, 2, 1, 0, 1, 2]
    frames = explored(frames, *origins)
    rng = np.random.default_rng(0)
    prediction = Prediction(
        frames.energy + rng.normal(size=9),
        frames.forces + rng.normal(size=frames.forces.shape),
        frames.stress + rng.normal(size=frames.stress.shape),
    )
    errors, numbers = metrics.errors_by_origin({"test": prediction}, {"test": frames})
    whole = metrics.rmse(prediction, frames)
    assert {name: n["test"] for name, n in numbers.items()} == {
        "augmented": 3,
        "explored 1": 4,
        "explored 2": 2,
    }
    weights = {  # of augmented, explored 1, explored 2; isolated atoms have no stress
        "energy": [3, 4, 2],
        "forces": [24, 25, 9],
        "stress": [3, 3, 1],
    }
    for name, weight in weights.items():
        squares = [sets["test"][name] ** 2 for sets in errors.values()]
        mean = np.average(squares, weights=weight)
        assert mean == pytest.approx(whole[name] ** 2)


def test_an_origin_without_labels_of_a_property_has_no_error_of_it(silicon_set):
    frames = explored(silicon_set[:2], 0, 1)
    stress = frames.stress.copy()
    stress[1] = np.nan
    frames = frames.with_labels(stress=stress)
    prediction = Prediction(frames.energy, frames.forces, silicon_set[:2].stress)
    errors, _ = metrics.errors_by_origin({"val": prediction}, {"val": frames})
    assert errors["augmented"]["val"] == {"energy": 0, "forces": 0, "stress": 0}
    assert errors["explored 1"]["val"] == {"energy": 0, "forces": 0}
