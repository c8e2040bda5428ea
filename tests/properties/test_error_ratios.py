"""Intervals by an error model that is known."""

import numpy as np
import pytest

from flowpot.evaluation import ErrorModel, calibrate
from flowpot.properties.error_ratios import calculator_of, error_ratio
from flowpot.properties.statistics import interval, moderated


def test_errors_in_proportion_to_the_spread_have_that_ratio(line):
    fits = {"energy": line(4.0), "forces": line(3.0), "stress": line(2.0)}
    assert error_ratio(fits, "phonons") == (pytest.approx(3.0), None)
    assert error_ratio(fits, "elastic") == (pytest.approx(2.0), None)
    assert error_ratio(fits, "eos") == (pytest.approx(2.0), None)  # of pressures
    assert error_ratio(fits, "nve")[0] is None


def test_the_ratio_is_that_of_the_frames_of_the_fit():
    """Errors are 1.5 times the spread, with scatter: 95 % are under the ratio."""
    rng = np.random.default_rng(0)
    spread = rng.lognormal(-4, 0.7, 400)
    error = 1.5 * spread * rng.lognormal(0, 0.4, 400)
    fits = calibrate({"forces": spread}, {"forces": error}, {"forces": 0.03})
    ratio, reason = error_ratio(fits, "phonons")
    assert reason is None
    assert (error < ratio * spread).mean() == pytest.approx(0.95, abs=0.03)


def test_a_calibration_that_is_not_trusted_comes_last(line):
    fits = {"energy": line(4.0), "stress": line(2.0, trusted=False)}
    assert error_ratio(fits, "eos") == (pytest.approx(4.0), None)
    ratio, reason = error_ratio(fits, "elastic")
    assert ratio == pytest.approx(2.0)
    assert reason == "the calibration of the stress: it has 3 frames"
    ratio, reason = error_ratio(fits, "phonons")
    assert (ratio, reason) == (None, "there is no calibration of forces")
    blind = line(2.0).model_copy(
        update={"error_model": ErrorModel.line({"feature_distance": 1.0}, 2.0)}
    )
    ratio, reason = error_ratio({"forces": blind}, "phonons")
    assert (ratio, reason) == (None, "that of forces does not know the members' spread")


def test_a_committee_that_is_not_there_is_a_reason():
    assert calculator_of([], None, None) == (None, "no calibration was given")
    calculator, reason = calculator_of(["gone.model"], {"energy": {}}, None)
    assert calculator is None
    assert "was not loaded for it" in reason


def test_the_interval_of_the_members_covers_a_further_one():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        *drawn, truth = rng.normal(size=5)
        (low, high), kind = interval(drawn)
        assert kind == "members"
        covered += low <= truth <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_spread_of_few_members_is_steadied_by_that_of_all():
    """Errors as large as the spread, of thirty frequencies by four members."""
    rng = np.random.default_rng(0)
    scale = rng.lognormal(0, 0.3, size=(400, 30))  # of the frequencies' own spreads
    values = scale * rng.normal(size=(4, 400, 30))
    off = np.abs(scale * rng.normal(size=(400, 30)))
    ratio = 1.96 / np.sqrt(3 / 4)  # in units of a population's standard deviation
    own = values.std(axis=0)
    steadied = np.array([moderated(values[:, case]) for case in range(400)])
    assert (off <= ratio * own).mean() < 0.88
    assert (off <= ratio * steadied).mean() == pytest.approx(0.93, abs=0.02)
