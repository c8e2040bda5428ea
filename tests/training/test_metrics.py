import numpy as np
import pytest

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
