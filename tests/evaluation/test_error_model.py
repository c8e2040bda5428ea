"""The error model, against laws whose quantiles and probabilities are known."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.stats import norm

from error_laws import LAWS
from flowpot.evaluation import ErrorModel
from flowpot.evaluation.decision import expected_rates

LOGNORMAL = ("narrow", "wide")
STEEP = (
    "narrow",
    "wide",
    "gaussian",
    "heavy tails",
    "mixed sizes",
    "square root",
    "collinear",
)
"""Laws by which the chance of being over tolerance rises steeply with the spread."""
CURVED = ("floor", "saturating", "knee up", "knee down", "ceiling")
"""Laws that are no power of the spread."""
TARGET = 0.35


def draw(law, n, rng):
    """Spread and error of n frames, and an uncertainty that says nothing."""
    spread = 0.05 * rng.lognormal(0, law.width, n)
    noise = rng.lognormal(0, 0.3, n)
    error = 0.05 * law.error(rng, spread / 0.05)
    return {"spread": spread, "feature_distance": noise}, error


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("good", [0.6, 0.95])
def test_it_flags_what_the_ideal_rule_flags(name, good):
    """
    At 24 labels.

    Where the chance of many frames is near the target, nothing tells the two sides
    apart, and the shares differ. What a wrong side costs is small there: its distance
    from the target.
    """
    law, rng = LAWS[name], np.random.default_rng(1)
    tolerance = float(np.quantile(draw(law, 100_000, rng)[1], good))
    shares, costs, bars = [], [], []
    for _ in range(40):
        covariates, error = draw(law, 24, rng)
        model = ErrorModel.fit(covariates, error)
        new, true = draw(law, 500, rng)
        flagged = model.chance(new, tolerance) >= TARGET
        chance = law.chance(new["spread"] / 0.05, tolerance / 0.05)
        ideal = chance >= TARGET
        shares.append(flagged.mean() - ideal.mean())
        costs.append((np.abs(chance - TARGET) * (flagged != ideal)).mean())
        bars.append([(true <= model.quantile(new, q)).mean() for q in (0.68, 0.95)])
    if name in STEEP or good > 0.9:
        near = 0.08 if name == "knee down" else 0.05
        assert np.mean(shares) == pytest.approx(0, abs=near)
    if name != "two populations":  # no power of the spread
        assert np.mean(costs) <= 0.02
    inner, outer = np.mean(bars, axis=0)
    assert 0.6 <= inner <= 0.76
    assert 0.9 <= outer <= 0.98


@pytest.mark.parametrize("good", [0.6, 0.8])
def test_without_correlation_it_flags_as_a_rule_that_knows_the_law(good):
    """
    But for the level of the errors, which it learns from the same 24 labels.

    The ideal is all or nothing. Both rules are on the wrong side where the labels
    happen to be good, or bad: of 0.6 good frames the ideal rule flags all, this one
    0.75 and the model 0.68; of 0.8 none, 0.01 and 0.10.
    """
    law, rng = LAWS["uncorrelated"], np.random.default_rng(1)
    tolerance = float(np.quantile(draw(law, 100_000, rng)[1], good))
    flagged, costs = [], []
    for _ in range(150):
        covariates, error = draw(law, 24, rng)
        new, _ = draw(law, 200, rng)
        model = ErrorModel.fit(covariates, error).chance(new, tolerance) >= TARGET
        ratio = tolerance / np.exp(np.log(error).mean())
        rule = norm.sf(np.log(ratio) / (0.8 * np.sqrt(1 + 1 / 24))) >= TARGET
        flagged.append([model.mean(), rule])
        ideal = 1 - good >= TARGET
        costs.append(abs(1 - good - TARGET) * (model != ideal).mean())
    share, of_rule = np.mean(flagged, axis=0)
    assert share == pytest.approx(of_rule, abs=0.1)
    assert np.mean(costs) <= 0.02


@pytest.mark.parametrize(
    ("laws", "least", "first"), [(STEEP, 0.92, 0), (STEEP, 0.92, 40), (CURVED, 0.9, 40)]
)
def test_intervals_of_expected_rates_cover(laws, least, first):
    """Of 150 frames, the first of which are those of the fit, or not: not too often."""
    rng, covered = np.random.default_rng(12), []
    for name, good in itertools.product(laws, (0.4, 0.8)):
        law = LAWS[name]
        tolerance = float(np.quantile(draw(law, 20_000, rng)[1], good))
        for _ in range(15):
            covariates, error = draw(law, 190, rng)
            model = ErrorModel.fit(
                {k: x[:40] for k, x in covariates.items()}, error[:40]
            )
            judged = {k: x[first:][:150] for k, x in covariates.items()}
            true = error[first:][:150]
            known = np.where(np.arange(150) < 40 - first, true, np.nan)
            flagged, bad = model.chance(judged, tolerance) >= TARGET, true > tolerance
            rates = expected_rates(model, judged, tolerance, flagged, known)
            hits = (flagged & bad).sum()
            for interval, among in (
                (rates.tpr_interval, bad.sum()),
                (rates.ppv_interval, flagged.sum()),
            ):
                if interval is not None and among:
                    low, high = interval
                    covered.append(low - 1e-9 <= hits / among <= high + 1e-9)
    assert least <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("name", LOGNORMAL)
def test_with_many_labels_it_is_the_law(name):
    law, rng = LAWS[name], np.random.default_rng(2)
    model = ErrorModel.fit(*draw(law, 20_000, rng))
    new = {"spread": np.array([0.02, 0.05, 0.2]), "feature_distance": np.ones(3)}
    expected = law.chance(new["spread"] / 0.05, 2.0)
    assert model.chance(new, 0.1) == pytest.approx(expected, abs=0.02)
    assert model.quantile(new, 0.5) == pytest.approx(2 * new["spread"], rel=0.05)


def test_chance_and_quantile_are_inverse():
    rng = np.random.default_rng(3)
    covariates, error = draw(LAWS["heavy tails"], 30, rng)
    model = ErrorModel.fit(covariates, error)
    one = {name: values[:1] for name, values in covariates.items()}
    for q in (0.05, 0.5, 0.68, 0.95):
        limit = model.quantile(one, q)[0]
        assert model.chance(one, limit)[0] == pytest.approx(1 - q, abs=1e-6)


@pytest.mark.parametrize("q", [0, 1, 1.5, -0.1, np.nan, None, "0.5", [0.5], True])
def test_what_is_no_probability_is_refused(q):
    rng = np.random.default_rng(3)
    model = ErrorModel.fit(*draw(LAWS["heavy tails"], 30, rng))
    with pytest.raises(ValueError, match=r"q is .*: use a probability between 0 and 1"):
        model.quantile({"spread": np.ones(1), "feature_distance": np.ones(1)}, q)


def test_few_labels_give_a_wide_distribution_and_many_a_narrow_one():
    """Of the errors, to that of the law; and of the chance, to nothing."""
    rng = np.random.default_rng(4)
    new = {"spread": np.array([0.05]), "feature_distance": np.ones(1)}
    widths, doubts = [], []
    for n in (2, 10, 40, 4000):
        models = [ErrorModel.fit(*draw(LAWS["narrow"], n, rng)) for _ in range(10)]
        ends = [[m.quantile(new, q)[0] for q in (0.05, 0.95)] for m in models]
        widths.append(np.mean([np.log(high / low) for low, high in ends]))
        doubts.append(np.mean([m.draws(new, 0.1, 300, rng).std() for m in models]))
    assert widths[0] > 1.5 * widths[1]
    assert widths[1:] == pytest.approx([2 * 1.645 * 0.3] * 3, rel=0.15)
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > 0.15
    assert doubts[-1] < 0.05
    nothing = ErrorModel.fit(*draw(LAWS["narrow"], 0, rng))
    assert np.log(np.divide(*[nothing.quantile(new, q) for q in (0.95, 0.05)])) > 5
    assert nothing.n == 0


def test_it_learns_an_exponent_that_changes():
    """From many labels; from few it is little more than a line."""
    law, rng = LAWS["knee up"], np.random.default_rng(9)
    new = {"spread": 0.05 * np.geomspace(0.2, 5, 9), "feature_distance": np.ones(9)}
    model = ErrorModel.fit(*draw(law, 4000, rng))
    typical = 0.05 * law.scale(new["spread"] / 0.05)
    assert model.quantile(new, 0.5) == pytest.approx(typical, rel=0.15)
    below, above = model.mean[1], model.mean[-1]
    assert (below, above) == pytest.approx((0.3, 2.0), abs=0.1)
    for n in (3, 10):
        few = [ErrorModel.fit(*draw(law, n, rng)) for _ in range(20)]
        assert np.mean([m.mean[-1] - m.mean[1] for m in few]) < 0.7 * (above - below)


def test_a_model_of_an_earlier_version_has_one_exponent():
    """Its document has no bend, and one number less."""
    line = ErrorModel.line({"spread": 1.0, "forces_spread": 0.5}, 2.0)
    document = line.model_dump(exclude={"bent"}) | {
        "scatter": 0.5,
        "covariance": np.diag([0.1, 0.2, 0.3]).tolist(),
        "freedom": 24.0,
        "n": 20.0,
    }
    earlier = ErrorModel.model_validate(document)
    new = {"spread": np.array([0.1, 10.0]), "forces_spread": np.array([4.0, 9.0])}
    median = 2 * new["spread"] * new["forces_spread"] ** 0.5
    assert earlier.quantile(new, 0.5) == pytest.approx(median)
    assert earlier.chance(new, median[0])[0] == pytest.approx(0.5)
    assert earlier.threshold(2.0, 0.5) == pytest.approx(1.0)


def test_the_threshold_is_where_the_chance_is_reached():
    """On either side of the bend; the other uncertainty as in the fit."""
    model = ErrorModel.fit(*draw(LAWS["knee up"], 4000, np.random.default_rng(10)))
    for tolerance in (0.06, 0.1, 0.5):
        limit = model.threshold(tolerance, TARGET)
        new = {"spread": np.array([limit]), "feature_distance": np.ones(1)}
        assert model.chance(new, tolerance)[0] == pytest.approx(TARGET, abs=0.02)


@pytest.mark.parametrize(
    "spread",
    [
        np.zeros(30),
        np.full(30, 0.1),
        np.r_[0.0, 0.0, np.geomspace(1e-6, 1e3, 28)],
        np.r_[np.nan, np.inf, np.linspace(0.1, 0.2, 28)],
        np.repeat([0.1, 0.2], 15),
        np.array([0.1, 0.2]),
        np.array([0.1]),
        np.empty(0),
        np.full(30, np.nan),
    ],
)
@pytest.mark.parametrize("kind", ["some", "zero", "one", "unknown"])
def test_everything_is_answered(spread, kind):
    """Also what a fit has never seen: more spread is never less likely to be over."""
    rng = np.random.default_rng(5)
    n = len(spread)
    error = {
        "some": rng.lognormal(-2, 1, n),
        "zero": np.zeros(n),
        "one": np.full(n, 0.1),
        "unknown": np.full(n, np.nan),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ErrorModel.fit({"spread": spread}, error, weights=np.ones(n))
        new = {"spread": np.array([0.0, 1e-9, 0.1, 1e9, np.nan, np.inf])}
        chance = model.chance(new, 0.1)
        bars = [model.quantile(new, q) for q in (0.05, 0.68, 0.95)]
        again = ErrorModel.model_validate_json(model.model_dump_json())
    assert ((chance >= 0) & (chance <= 1)).all()
    assert chance[4:].tolist() == [1, 1]
    assert chance[0] <= chance[3] + 1e-6
    assert (np.isfinite(bars)[:, :4]).all()
    assert (np.diff(np.array(bars)[:, :4], axis=0) >= 0).all()
    assert np.isinf(np.array(bars)[:, 4:]).all()
    assert np.array_equal(again.chance(new, 0.1), chance)


def test_a_covariate_that_was_constant_widens_what_it_is_not():
    """A feature distance that no label had: errors may be anything."""
    rng = np.random.default_rng(6)
    spread = rng.lognormal(-3, 0.5, 40)
    covariates = {"spread": spread, "feature_distance": np.full(40, 2.0)}
    model = ErrorModel.fit(covariates, 2 * spread * rng.lognormal(0, 0.3, 40))
    new = {"spread": np.full(2, 0.05), "feature_distance": np.array([2.0, 200.0])}
    widths = np.log(model.quantile(new, 0.95) / model.quantile(new, 0.5))
    assert widths[1] > 2 * widths[0]
    with pytest.raises(KeyError):
        model.chance({"spread": np.ones(1)}, 0.1)


def test_a_spread_that_told_nothing_may_tell_something_elsewhere():
    """All exponents are held at zero: errors fell with the spread, by chance."""
    spread = np.geomspace(0.5, 2.0, 40)
    rng = np.random.default_rng(4)
    error = np.abs(rng.normal(size=40)) / spread**2
    model = ErrorModel.fit({"spread": spread}, error)
    assert model.is_constant
    low, near, far = model.quantile({"spread": np.array([0.01, 1.0, 100.0])}, 0.95)
    assert near == pytest.approx(np.quantile(error, 0.95), rel=0.3)
    assert far > 3 * near
    assert low > near
    left_out = model.left_out({"spread": spread}, error)
    logs = np.log(error)
    n = 40 + 1 / 16  # the prior of the intercept is worth a sixteenth of a frame
    assert np.std(left_out) == pytest.approx(np.std(logs) / (n - 1), rel=1e-3)


@pytest.mark.parametrize("difference", [0.0, 1e-12, 1e-3])
def test_an_uncertainty_that_is_there_twice_changes_nothing(difference):
    rng = np.random.default_rng(11)
    covariates, error = draw(LAWS["wide"], 40, rng)
    spread = covariates["spread"]
    one = ErrorModel.fit({"spread": spread}, error)
    twin = spread * np.exp(difference * rng.normal(size=40))
    both = ErrorModel.fit({"spread": spread, "twin": twin}, error)
    new = {"spread": np.geomspace(0.005, 0.5, 9)}
    expected = one.chance(new, 0.1)
    assert both.chance(new | {"twin": new["spread"]}, 0.1) == pytest.approx(
        expected, abs=0.05
    )


def test_a_distance_leads_where_there_is_no_spread():
    """As of a committee of one: exponent and unit are learned, not known."""
    rng = np.random.default_rng(13)
    distance = rng.lognormal(1, 0.8, 60)
    error = 0.01 * distance**2 * rng.lognormal(0, 0.3, 60)
    model = ErrorModel.fit({"rigidity": distance, "other": distance}, error)
    new = {name: np.array([1.0, 3.0, 9.0, np.nan]) for name in model.names}
    expected = [0.01, 0.09, 0.81, np.inf]
    assert model.quantile(new, 0.5) == pytest.approx(expected, rel=0.3)


def test_frames_with_an_unknown_uncertainty_are_left_out():
    rng = np.random.default_rng(14)
    covariates, error = draw(LAWS["wide"], 40, rng)
    known = {name: values[10:] for name, values in covariates.items()}
    covariates["spread"][:5] = np.nan
    covariates["feature_distance"][5:10] = np.inf
    model = ErrorModel.fit(covariates, error, weights=np.ones(40))
    assert model == ErrorModel.fit(known, error[10:], weights=np.ones(30))
    assert model.chance(covariates, 0.1)[:10].tolist() == [1.0] * 10


def test_a_hundred_thousand_frames_are_no_matter():
    rng = np.random.default_rng(7)
    covariates, error = draw(LAWS["wide"], 100_000, rng)
    model = ErrorModel.fit(covariates, error)
    assert model.chance(covariates, 0.1).mean() == pytest.approx(
        (error > 0.1).mean(), abs=0.01
    )
    assert len(model.model_dump_json()) < 10_000


def test_weights_undo_a_choice_by_what_is_no_covariate():
    """Of frames chosen by their very error, inverse probabilities tell the truth."""
    rng, found = np.random.default_rng(8), []
    for _ in range(20):
        covariates, error = draw(LAWS["wide"], 4000, rng)
        p = np.where(error > 0.1, 0.05, 0.01)
        drawn = rng.random(4000) < p
        some = {name: values[drawn] for name, values in covariates.items()}
        weighted = ErrorModel.fit(some, error[drawn], 1 / p[drawn])
        plain = ErrorModel.fit(some, error[drawn])
        found.append(
            [m.chance(covariates, 0.1).mean() for m in (weighted, plain)]
            + [(error > 0.1).mean()]
        )
    weighted, plain, true = np.mean(found, axis=0)
    assert weighted == pytest.approx(true, abs=0.05)
    assert plain > true + 0.1


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="no covariates"):
        ErrorModel.fit({}, np.ones(3))
    model = ErrorModel.fit({"spread": np.ones(3)}, np.ones(3))
    with pytest.raises(ValueError, match=r"q is 1\.5"):
        model.quantile({"spread": np.ones(3)}, 1.5)
