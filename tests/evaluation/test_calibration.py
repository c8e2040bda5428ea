"""The calibration, on data whose slope and rates are known."""

import numpy as np
import pytest

from flowpot.evaluation import calibrate
from flowpot.evaluation.tolerance import check_tolerance


def fit(d, e, tolerance=0.1, **options):
    return calibrate({"forces": d}, {"forces": e}, {"forces": tolerance}, **options)[
        "forces"
    ]


def test_slope_and_threshold_of_noisy_data(rng):
    e = rng.uniform(0.01, 0.3, 200)
    d = 0.4 * e * rng.normal(1, 0.1, 200)
    found = fit(d, e)
    assert found.slope == pytest.approx((d * e).sum() / (e**2).sum())
    assert found.slope_interval[0] < 0.4 < found.slope_interval[1]
    assert found.threshold == pytest.approx(0.1 * found.slope)
    assert found.trusted
    assert found.reason is None
    assert found.r2 > 0.9
    assert found.rank_correlation > 0.9
    assert found.predicted_error(0.04) == pytest.approx(0.1, rel=0.1)


def test_rates_are_counted(rng):
    e = np.array([0.05, 0.05, 0.2, 0.2, 0.2])
    d = np.array([0.01, 0.90, 0.9, 0.9, 0.0])  # TN, FP, TP, TP, FN
    found = fit(d, e, tolerance=0.1)
    assert found.threshold < 0.9
    assert found.tpr == pytest.approx(2 / 3)
    assert found.ppv == pytest.approx(2 / 3)


def test_rates_are_none_without_a_bad_frame():
    e = np.linspace(0.01, 0.05, 40)
    found = fit(0.5 * e, e, tolerance=0.1)
    assert found.tpr is None
    assert found.ppv is None


def test_weights_undo_a_biased_choice(rng):
    """Frames drawn with a probability count by its inverse."""
    e = rng.uniform(0.01, 0.3, 4000)
    d = np.where(e > 0.15, 0.5, 0.3) * e
    drawn = rng.random(4000) < np.where(e > 0.15, 0.5, 0.05)
    weights = 1 / np.where(e > 0.15, 0.5, 0.05)[drawn]
    true = fit(d, e).slope
    assert fit(d[drawn], e[drawn], weights=weights).slope == pytest.approx(
        true, rel=0.01
    )
    assert fit(d[drawn], e[drawn]).slope > 1.01 * true


@pytest.mark.parametrize(
    ("d", "e", "reason"),
    [
        (np.full(5, 0.2), np.linspace(0.1, 0.5, 5), "too few frames: 5.0 effective"),
        (np.full(50, 0.2), np.linspace(0.1, 0.5, 50), "no spread"),
    ],
)
def test_an_untrusted_fit_says_why_and_is_widened(d, e, reason):
    found = fit(d, e)
    assert not found.trusted
    assert reason in found.reason
    widened = found.widened("this fit")
    assert widened.threshold <= found.threshold
    assert widened.fallback.startswith("this fit, lowered")


def test_heavy_tails_are_not_trusted(rng):
    e = np.concatenate([np.full(40, 1e-3), [1.0]])
    d = np.concatenate([rng.uniform(0, 1, 40), [0.5]])
    assert "is uncertain" in fit(d, e).reason


def test_missing_labels_and_properties_are_left_out(rng):
    e = rng.uniform(0.1, 0.2, 50)
    e[:10] = np.nan
    nothing = np.full(50, np.nan)
    fits = calibrate(
        {"forces": e, "stress": e},
        {"forces": e, "stress": nothing},
        {"forces": 0.1, "stress": 0.1},
    )
    assert list(fits) == ["forces"]
    assert fits["forces"].n == 40


def test_same_frames_same_calibration(rng):
    e = rng.uniform(0.1, 0.2, 50)
    d = e * rng.uniform(0.5, 1.5, 50)
    assert fit(d, e) == fit(d, e)


def test_half_of_the_errors_are_under_the_calibrated_error(rng):
    e = rng.uniform(0.01, 0.3, 2000)
    d = 0.4 * e + rng.normal(0, 0.01, 2000)
    assert fit(d, e).coverage == pytest.approx(0.5, abs=0.03)


def test_intervals_hold_the_rates_of_the_frames_that_were_drawn_from():
    """Of 95 % intervals, about that share covers; counted over many draws."""
    rng = np.random.default_rng(3)
    everything = rng.uniform(0.01, 0.3, 5000)
    spread = 0.4 * everything * rng.lognormal(0, 0.4, 5000)
    covered = []
    for _ in range(60):
        drawn = rng.choice(5000, 60, replace=False)
        found = fit(spread[drawn], everything[drawn])
        bad, over = everything > 0.1, spread > found.threshold
        low, high = found.tpr_interval
        covered.append(low <= (bad & over).sum() / bad.sum() <= high)
        low, high = found.ppv_interval
        covered.append(low <= (bad & over).sum() / over.sum() <= high)
    assert 0.87 <= np.mean(covered) <= 1.0


def test_expected_rates_are_those_of_the_frames_judged(rng):
    """Labels of other frames tell them, if errors follow disagreement alike."""
    judged = rng.lognormal(np.log(0.03), 0.5, 5000)
    judged_error = judged / 0.4 * rng.lognormal(0, 0.2, 5000)
    d = rng.lognormal(np.log(0.06), 0.5, 60)
    e = d / 0.4 * rng.lognormal(0, 0.2, 60)
    found = calibrate(
        {"forces": d}, {"forces": e}, {"forces": 0.1}, judged={"forces": judged}
    )["forces"]
    bad, over = judged_error > 0.1, judged > found.threshold
    assert found.expected_tpr == pytest.approx(over[bad].mean(), abs=0.05)
    assert found.expected_ppv == pytest.approx(bad[over].mean(), abs=0.05)
    assert abs(found.ppv - bad[over].mean()) > 0.05  # counted where most are bad


def test_lost_rank_correlation_is_not_trusted(rng):
    e = rng.uniform(0.08, 0.12, 60)
    assert "rank correlation is lost" in fit(rng.permutation(e), e).reason


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rule": "lsq"}, "rule is 'lsq'"), ({"target": 1.5}, "target is 1.5")],
)
def test_bad_rules_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(np.ones(5), np.ones(5), **options)


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [
        ({}, "empty"),
        ({"force": 0.1}, "did you mean 'forces'"),
        ({"energy": -1.0}, r"tolerance\['energy'\] is -1.0"),
    ],
)
def test_bad_tolerances_are_refused(tolerance, message):
    with pytest.raises(ValueError, match=message):
        check_tolerance(tolerance)
