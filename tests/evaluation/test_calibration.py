"""The calibration, on data whose slope and rates are known."""

import numpy as np
import pytest

from flowpot.evaluation import Calibration, calibrate
from flowpot.evaluation.criteria import check_tolerance


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
    assert found.error_bar({"forces": 0.04}, "forces", 0.5) == pytest.approx(
        0.1, rel=0.1
    )


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
def test_an_untrusted_fit_says_why(d, e, reason):
    found = fit(d, e)
    assert not found.trusted
    assert reason in found.reason


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
    assert "not told apart: rank correlation" in fit(rng.permutation(e), e).reason


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


def test_a_document_of_an_older_version_flags_as_it_did():
    """Its disagreement, alone or joined with the forces', is compared as then."""
    old = {
        "slope": 0.5,
        "slope_interval": [0.4, 0.6],
        "r2": 0.9,
        "rank_correlation": 0.9,
        "tolerance": 0.1,
        "threshold": 0.02,
        "rule": "quantile",
        "n": 40,
        "effective_n": 40.0,
        "trusted": False,
        "fallback": "this fit's line, lowered to the slope's lower limit",
    }
    fit = Calibration.model_validate(old)
    spread = {"energy": np.array([0.019, 0.021, np.nan]), "forces": np.ones(3)}
    assert (fit.excess(spread, "energy") > 1).tolist() == [False, True, True]
    assert fit.error_bar(spread, "energy")[0] == pytest.approx(0.038)
    joined = Calibration.model_validate(
        old | {"mixture": {"weight": 0.5, "scale": 4.0}}
    )
    spread = {"energy": np.full(2, 1e-4), "forces": np.array([0.9, 1.1])}
    assert joined.excess(spread, "energy") == pytest.approx([0.949, 1.049], rel=1e-3)
    again = Calibration.model_validate_json(joined.model_dump_json())
    assert again.excess(spread, "energy") == pytest.approx([0.949, 1.049], rel=1e-3)


def test_the_rule_that_aims_at_a_true_positive_rate_reaches_it(rng):
    d = rng.lognormal(-3, 0.8, 60)
    e = 2 * d * rng.lognormal(0, 0.5, 60)
    judged = rng.lognormal(-3, 0.8, 4000)
    true = 2 * judged * rng.lognormal(0, 0.5, 4000)
    for target in (0.7, 0.95):
        found = fit(d, e, 0.2, rule="tpr", target=target, judged={"forces": judged})
        flagged = found.excess({"forces": judged}, "forces") > 1
        assert found.tpr == pytest.approx(target, abs=0.01)
        assert flagged[true > 0.2].mean() == pytest.approx(target, abs=0.08)


def test_frames_chosen_by_another_disagreement_do_not_bias_the_fit():
    """Energies of frames that the forces flagged: the forces' spread is a covariate."""
    rng, shares = np.random.default_rng(5), []
    for _ in range(40):
        common = rng.normal(size=4000)
        forces = np.exp(common + 0.3 * rng.normal(size=4000))
        energy = np.exp(0.5 * common + 0.5 * rng.normal(size=4000))
        error = np.exp(common + 0.4 * rng.normal(size=4000))
        everything = {"energy": energy, "forces": forces}
        limit = {"energy": float(np.quantile(error, 0.7))}
        rows = rng.permutation(4000)
        samples = (rows[:40], rows[forces[rows] > np.quantile(forces, 0.6)][:40])
        found = [
            calibrate(
                {name: d[drawn] for name, d in everything.items()},
                {"energy": error[drawn]},
                limit,
                rule="chance",
                judged=everything,
            )["energy"]
            for drawn in samples
        ]
        shares.append([(fit.excess(everything, "energy") > 1).mean() for fit in found])
    uniform, chosen = np.mean(shares, axis=0)
    assert chosen == pytest.approx(uniform, abs=0.05)
