"""The error model, against laws whose quantiles and probabilities are known."""

import itertools
import warnings

import numpy as np
import pytest

from committee_simulation import LAWS
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
    apart, and the shares differ: without any correlation the ideal is all or nothing,
    and a rule that knows this law but for its level flags 0.75 of the frames, not 1.
    What a wrong side costs is small there: its distance from the target.
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
        assert np.mean(shares) == pytest.approx(0, abs=0.05)
    if name != "two populations":  # no power of the spread
        assert np.mean(costs) <= 0.02
    inner, outer = np.mean(bars, axis=0)
    assert 0.6 <= inner <= 0.76
    assert 0.9 <= outer <= 0.98


@pytest.mark.parametrize("first", [0, 40])
def test_intervals_of_expected_rates_cover(first):
    """Of 150 frames, the first of which are those of the fit, or not: not too often."""
    rng, covered = np.random.default_rng(12), []
    for name, good in itertools.product(STEEP, (0.4, 0.8)):
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
    assert 0.92 <= np.mean(covered) <= 0.98


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


def test_few_labels_give_a_wide_distribution_and_many_a_narrow_one():
    rng = np.random.default_rng(4)
    widths = []
    for n in (0, 2, 10, 40, 4000):
        model = ErrorModel.fit(*draw(LAWS["narrow"], n, rng))
        new = {"spread": np.array([0.05]), "feature_distance": np.ones(1)}
        low, high = (model.quantile(new, q)[0] for q in (0.05, 0.95))
        widths.append(np.log(high / low))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(2 * 1.645 * 0.3, rel=0.1)


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
