"""Each rule, on data that are made to have the answer."""

import numpy as np
import pytest
from scipy.stats import binom

from flowpot.evaluation.binomial import clopper_pearson_upper, jeffreys, jeffreys_upper
from flowpot.evaluation.error_model import ErrorModel
from flowpot.evaluation.rules import RULES, Pairs

SLOPE, TOLERANCE = 0.4, 0.1


def pairs(d, e, w=None):
    return Pairs(d, e, np.ones(len(e)) if w is None else w)


def threshold(rule, sample, target=0.9):
    return RULES[rule](sample, TOLERANCE, target)


@pytest.fixture
def scattered():
    """Ten thousand frames with log-normal errors about a disagreement."""
    rng = np.random.default_rng(1)
    d = rng.lognormal(np.log(SLOPE * TOLERANCE), 0.7, 10_000)
    return pairs(d, d / SLOPE * rng.lognormal(0, 0.3, 10_000))


@pytest.mark.parametrize("rule", ["least-squares", "window", "log", "chance"])
def test_a_line_without_scatter_is_found(rule):
    e = np.linspace(0.01, 0.5, 50)
    assert threshold(rule, pairs(SLOPE * e, e)) == pytest.approx(SLOPE * TOLERANCE)


def test_what_lies_far_from_the_tolerance_pulls_least_squares_alone():
    e = np.concatenate([np.linspace(0.05, 0.2, 50), [5.0]])
    d = np.where(e < 1, SLOPE * e, 0.1)
    wrong = threshold("least-squares", pairs(d, e))
    assert wrong < 0.5 * SLOPE * TOLERANCE
    for rule in ("window", "log"):
        assert threshold(rule, pairs(d, e)) == pytest.approx(SLOPE * TOLERANCE)


@pytest.mark.parametrize("target", [0.5, 0.8, 0.9])
def test_quantile_catches_the_share_of_bad_frames(scattered, target):
    bad = scattered.error > TOLERANCE
    over = scattered.disagreement > threshold("quantile", scattered, target)
    assert over[bad].mean() == pytest.approx(target, abs=1e-3)


def test_quantile_needs_a_tail():
    e = np.concatenate([np.full(50, 0.05), np.full(9, 0.2)])
    assert np.isnan(threshold("quantile", pairs(e, e)))
    one_more = np.append(e, 0.2)
    assert 0.05 < threshold("quantile", pairs(one_more, one_more)) < 0.2


def test_quantile_undoes_a_biased_draw_by_weights(scattered):
    rng = np.random.default_rng(2)
    probability = np.where(scattered.disagreement > 0.05, 0.4, 0.1)
    drawn = rng.random(len(scattered)) < probability
    sample = pairs(
        scattered.disagreement[drawn], scattered.error[drawn], 1 / probability[drawn]
    )
    full = threshold("quantile", scattered)
    assert threshold("quantile", sample) == pytest.approx(full, rel=0.05)


def test_bound_keeps_its_promise_where_the_share_itself_does_not():
    """Over many draws of 100, the accepted are over 10 % bad in at most about 5 %."""
    rng = np.random.default_rng(4)
    broken = 0
    for _ in range(200):
        d = rng.uniform(0, 1, 100)
        e = np.where(rng.random(100) < d / 2, 0.2, 0.05)  # accepted under x: x / 4 bad
        found = threshold("bound", pairs(d, e))
        broken += np.isfinite(found) and found / 4 > 0.1
    assert broken / 200 <= 0.1


def test_chance_is_the_local_share_of_bad_frames(scattered):
    for target in (0.2, 0.4, 0.7):
        at = threshold("chance", scattered, target)
        near = np.abs(np.log(scattered.disagreement / at)) < 0.1
        assert (scattered.error > TOLERANCE)[near].mean() == pytest.approx(
            target, abs=0.04
        )


def test_chance_does_not_mind_how_disagreement_chose_the_frames(scattered):
    top = scattered[scattered.disagreement > SLOPE * TOLERANCE]
    assert threshold("chance", top, 0.4) == pytest.approx(
        threshold("chance", scattered, 0.4), rel=0.03
    )


def test_chance_does_not_extrapolate_far(scattered):
    d, e = scattered.disagreement, scattered.error
    assert threshold("chance", pairs(d, 1e-6 * e)) == pytest.approx(3 * d.max())
    assert threshold("chance", pairs(d, 1e6 * e)) == pytest.approx(d.min() / 3)


def test_the_error_model_gives_the_rates_that_are_counted(scattered):
    model = ErrorModel.fit(scattered.disagreement, scattered.error, TOLERANCE)
    assert model.scatter == pytest.approx(0.3, rel=0.03)
    limit = 0.03
    tpr, ppv = model.rates(scattered.disagreement, limit, TOLERANCE)
    bad, over = scattered.error > TOLERANCE, scattered.disagreement > limit
    assert tpr == pytest.approx(over[bad].mean(), abs=0.01)
    assert ppv == pytest.approx(bad[over].mean(), abs=0.01)


def test_the_error_model_holds_where_the_tolerance_lies():
    """Errors that level off far over tolerance do not matter to it."""
    d = np.geomspace(1e-3, 1, 400)
    e = np.minimum(d, 0.05) * 2
    model = ErrorModel.fit(d, e, 0.01)
    assert model.exponent == pytest.approx(1, abs=0.03)
    assert model.threshold(0.01, 0.5) == pytest.approx(0.005, rel=0.02)


def test_the_error_model_refuses_a_committee_that_ranks_nothing():
    e = np.linspace(0.1, 0.2, 20)
    assert ErrorModel.fit(e[::-1], e, 0.15) is None
    assert np.isnan(threshold("chance", pairs(e[::-1], e)))


def test_binomial_limits_are_those_of_the_literature():
    # Brown, Cai and DasGupta (2001), table 5: Jeffreys, n = 10, x = 3.
    assert jeffreys(3, 10) == pytest.approx((0.093, 0.606), abs=1e-3)
    assert jeffreys(0, 10)[0] == 0
    assert jeffreys_upper(0, 0) == jeffreys_upper(4, 4) == 1
    limit = float(clopper_pearson_upper(np.array(2.0), np.array(20.0)))
    assert binom.cdf(2, 20, limit) == pytest.approx(0.05)
