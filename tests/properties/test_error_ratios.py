"""Intervals by an error model that is known."""

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import t as student

from flowpot.evaluation import ErrorModel, calibrate
from flowpot.properties.error_ratios import calculator_of, error_ratio
from flowpot.properties.statistics import interval, moderated


def test_errors_in_proportion_to_the_spread_have_that_ratio_times_t(line):
    """One number of a property scatters more than a mean square of many."""
    fits = {"energy": line(4.0), "forces": line(3.0), "stress": line(2.0)}
    for freedom in (1, 3, 6):
        t = student.ppf(0.975, freedom)
        found = [error_ratio(fits, kind, freedom) for kind in ("phonons", "elastic")]
        assert found == [(pytest.approx(3 * t), None), (pytest.approx(2 * t), None)]
        # of pressures
        assert error_ratio(fits, "eos", freedom) == found[1]
        assert error_ratio(fits, "nve", freedom)[0] is None


@pytest.mark.parametrize("shared", [0.0, 2.0])
@pytest.mark.parametrize(
    ("kind", "source", "components", "n_members"),
    [
        ("phonons", "forces", 24, 4),
        ("phonons", "forces", 192, 4),
        ("phonons", "forces", 24, 8),
        ("elastic", "stress", 6, 2),
        ("elastic", "stress", 6, 4),
        ("eos", "energy", 1, 2),
        ("eos", "energy", 1, 4),
    ],
)
def test_intervals_of_properties_hold_where_the_model_does(
    kind, source, components, n_members, shared
):
    """Components and properties of one law; in units of it, `shared` errs all."""
    rng = np.random.default_rng(components)
    true_scatter = np.sqrt(1 + shared**2)
    scale = rng.lognormal(-4, 0.7, (300, 1))
    drawn = scale * rng.normal(size=(n_members, 300, components))
    truth = true_scatter * scale * rng.normal(size=(300, components))
    spread = np.sqrt(drawn.var(axis=0).mean(axis=1))
    error = np.sqrt(((drawn.mean(axis=0) - truth) ** 2).mean(axis=1))
    fits = calibrate({source: spread}, {source: error}, {source: np.median(error)})
    steadied = kind == "phonons"
    freedom = (n_members - 1) * (2 if steadied else 1)
    ratio, reason = error_ratio(fits, kind, freedom)
    assert reason is None
    values = rng.normal(size=(n_members, 600, 33))
    off = np.abs(values.mean(axis=0) - true_scatter * rng.normal(size=(600, 33)))
    std = values.std(axis=0)
    if steadied:
        std = np.array([moderated(values[:, case]) for case in range(600)])
    assert (off <= ratio * std).mean() == pytest.approx(0.955, abs=0.03)


def test_a_calibration_that_is_not_trusted_comes_last(line):
    fits = {"energy": line(4.0), "stress": line(2.0, trusted=False)}
    scatter = np.sqrt(chi2.median(3) / chi2.ppf(0.05, 3))  # of a spread of four
    assert error_ratio(fits, "eos", 3) == (pytest.approx(4.0 * scatter), None)
    t = student.ppf(0.975, 3)
    ratio, reason = error_ratio(fits, "elastic", 3)
    assert ratio == pytest.approx(2.0 * t)
    assert reason == "the calibration of the stress: it has 3 frames"
    ratio, reason = error_ratio(fits, "phonons", 3)
    assert (ratio, reason) == (None, "there is no calibration of forces")
    blind = line(2.0).model_copy(
        update={"error_model": ErrorModel.line({"feature_distance": 1.0}, 2.0)}
    )
    ratio, reason = error_ratio({"forces": blind}, "phonons", 3)
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
