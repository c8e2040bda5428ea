"""Rates that are expected of many frames, and their intervals."""

import numpy as np
import pytest

from error_laws import LAWS
from flowpot.evaluation import ErrorModel, decision
from flowpot.evaluation.decision import expected_rates

TARGET = 0.35


def expected(law, good, n, m, seed, known=0):
    """Rates expected of m frames, after n labels; and the true ones."""
    rng = np.random.default_rng([seed, m])
    spread = rng.lognormal(0, law.width, n + m)
    error = law.error(rng, spread)
    sample = rng.lognormal(0, law.width, 100_000)
    tolerance = float(np.quantile(law.error(rng, sample), good))
    model = ErrorModel.fit({"spread": spread[:n]}, error[:n])
    judged, true = {"spread": spread[n:]}, error[n:]
    flagged = model.chance(judged, tolerance) >= TARGET
    errors = np.where(np.arange(m) < known, true, np.nan)
    rates = expected_rates(model, judged, tolerance, flagged, errors)
    bad = true > tolerance
    hits = (flagged & bad).sum()
    shares = [hits / among.sum() if among.any() else None for among in (bad, flagged)]
    return rates, shares


@pytest.mark.parametrize(("good", "n"), [(0.997, 200), (0.99, 1000)])
def test_intervals_are_of_all_frames_where_bad_ones_are_rare(good, n):
    """Of 20000 frames; those of 2000 of them held .84, and not their own estimates."""
    covered = []
    for seed in range(20):
        rates, shares = expected(LAWS["narrow"], good, n, 20_000, seed)
        pairs = ((rates.tpr, rates.tpr_interval), (rates.ppv, rates.ppv_interval))
        for (value, interval), true in zip(pairs, shares, strict=True):
            assert (value is None) == (interval is None)
            if value is not None and true is not None:
                low, high = interval
                assert low <= value <= high
                covered.append(low <= true <= high)
    assert len(covered) > 30
    assert np.mean(covered) >= 0.88


@pytest.mark.parametrize("law", ["wide", "bimodal"])
@pytest.mark.parametrize(("good", "known"), [(0.6, 0), (0.98, 0), (0.98, 2000)])
def test_strata_are_as_good_as_all_frames(law, good, known, monkeypatch):
    some, _ = expected(LAWS[law], good, 100, 12_000, 1, known)
    monkeypatch.setattr(decision, "_ALONE", 12_000)
    every, _ = expected(LAWS[law], good, 100, 12_000, 1, known)
    assert some.tpr_interval == pytest.approx(every.tpr_interval, abs=0.03)
    assert some.ppv_interval == pytest.approx(every.ppv_interval, abs=0.03)


@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 2000, 2001, 200_000])
def test_strata_hold_every_frame_once_and_are_few(n):
    chance = np.random.default_rng(0).random(n)
    rows, sizes = decision._strata(chance, np.arange(n))
    assert sizes.sum() == n
    assert len(np.unique(rows)) == len(rows) == len(sizes) <= 2000
    assert (sizes > 0).all()
    assert (chance[rows] * sizes).sum() == pytest.approx(chance.sum(), rel=1e-3)
    largest = np.argsort(-chance)[:1000]
    assert np.isin(largest, rows[sizes == 1]).all()


def test_an_interval_of_hardly_any_bad_frame_says_that_little_is_known():
    model = ErrorModel.line({"spread": 1.0}, 1.0)
    document = model.model_dump() | {"scatter": 0.1, "freedom": 30.0, "n": 30.0}
    model = ErrorModel.model_validate(
        document | {"covariance": np.diag([0.01, 0.01]).tolist()}
    )
    judged, flagged = {"spread": np.full(10, 0.4)}, np.arange(10) < 1
    rates = expected_rates(model, judged, 1.0, flagged)
    assert 0 < rates.bad < 1e-4
    assert rates.tpr_interval == (0.0, 1.0)
    assert rates.ppv_interval[0] <= rates.ppv <= rates.ppv_interval[1]
