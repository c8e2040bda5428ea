"""Frames without a property, or without a prediction, in what is said of a property."""

import numpy as np
import pytest

from flowpot.evaluation import calibrate, over_threshold

TOLERANCE = {"stress": 0.2}
LABELLED = 200


def drawn(rng, n, members):
    """Uncertainties of n crystals, and their errors of the stress."""
    x = rng.lognormal(-3, 0.8, n)
    known = {"forces": x * rng.lognormal(0, 0.3, n), "stress": x}
    if members == 1:
        known = {"feature_distance": x, "has_stress": np.ones(n)}
    return known, 2 * x * rng.lognormal(0, 0.3, n)


def spoiled(known, rows, kind):
    """Make molecules of some frames, or frames of broken runs."""
    found = {name: values.copy() for name, values in known.items()}
    if kind == "broken":
        for values in found.values():
            values[rows] = np.nan
    if "has_stress" in found:
        found["has_stress"][rows] = 0.0
    elif kind == "molecule":
        found["stress"][rows] = np.nan
    return found


def calibrated(members, judged, rule, known=None, seed=0):
    uncertainty, error = drawn(np.random.default_rng(seed), LABELLED, members)
    return calibrate(
        uncertainty,
        {"stress": error},
        TOLERANCE,
        rule=rule,
        judged=judged,
        known=known,
    )["stress"]


@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("kind", ["molecule", "broken"])
@pytest.mark.parametrize("rule", ["chance", "tpr", "least-squares"])
def test_they_change_nothing_that_is_expected(rule, kind, members):
    """Rates, their intervals, and from which chance on frames are flagged."""
    known, error = drawn(np.random.default_rng(1), 600, members)
    rows = np.arange(600) < 350
    labelled = {"stress": np.where(np.arange(600) % 5, np.nan, error)}
    rest = {name: values[~rows] for name, values in known.items()}
    found = calibrated(members, spoiled(known, rows, kind), rule, labelled)
    alone = calibrated(members, rest, rule, {"stress": labelled["stress"][~rows]})
    assert found == alone
    assert found.expected_bad is not None


@pytest.mark.parametrize("kind", ["molecule", "broken"])
def test_the_rule_that_aims_at_a_true_positive_rate_reaches_it_of_the_others(kind):
    """Of 60 % molecules, or broken runs, it was .04."""
    rates, shares = [], []
    for seed in range(20):
        known, error = drawn(np.random.default_rng([seed, 1]), 1000, 4)
        rows = np.arange(1000) < 600
        judged = spoiled(known, rows, kind)
        fit = calibrated(4, judged, "tpr", seed=[seed, 0])
        bad = (error > TOLERANCE["stress"])[~rows]
        flagged = over_threshold(judged, {"stress": fit})[~rows]
        rates.append(flagged[bad].mean())
        shares.append(fit.expected_bad - bad.mean())
    assert np.mean(rates) == pytest.approx(0.9, abs=0.03)
    assert np.mean(shares) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("rule", ["chance", "least-squares"])
def test_what_is_said_of_such_a_frame(rule, members):
    known, _ = drawn(np.random.default_rng(2), 3, members)
    fit = calibrated(members, None, rule)
    seen = spoiled(spoiled(known, [1], "molecule"), [2], "broken")
    excess = fit.excess(seen, "stress")
    assert np.isfinite(excess[0])
    assert excess[1:].tolist() == [0, np.inf]
    assert fit.chance_over(seen, "stress")[1:].tolist() == [0, 1]
    assert np.isfinite(fit.error_bar(seen, "stress")).tolist() == [True, False, False]
    assert fit.surely_over(seen, "stress", 1e9).tolist() == [False, False, True]
    assert over_threshold(seen, {"stress": fit})[1:].tolist() == [False, True]


def test_nothing_is_expected_where_no_frame_has_the_property():
    known, _ = drawn(np.random.default_rng(3), 50, 4)
    fit = calibrated(4, spoiled(known, np.arange(50), "molecule"), "tpr")
    assert fit.expected_bad is fit.expected_tpr is fit.tpr_interval is None
