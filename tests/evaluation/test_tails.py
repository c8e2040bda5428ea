"""With many labels the tails of the errors are those of the data."""

import numpy as np
import pytest
from scipy.stats import norm

from flowpot.evaluation import ErrorModel
from flowpot.evaluation.residuals import (
    _TAIL_WORTH,
    ResidualDistribution,
    _share_above,
    thinned,
)

TAILS = {
    "Student's": lambda rng, n: np.abs(rng.standard_t(2, n)),
    "outliers": lambda rng, n: (
        rng.lognormal(0, 0.3, n) * np.where(rng.random(n) < 0.006, 30, 1)
    ),
}


@pytest.mark.parametrize("name", TAILS)
def test_what_is_rare_is_as_rare_as_it_is(name):
    """The chance of an error in 300 was up to a thousand times smaller."""
    law = TAILS[name]
    truth = 2 * law(np.random.default_rng(0), 1_000_000)
    far, one = float(np.quantile(truth, 0.997)), {"spread": np.ones(1)}
    chances, drawn, counted, over = [], [], [], []
    for seed in range(8):
        rng = np.random.default_rng([seed, 1])
        spread = rng.lognormal(0, 0.8, 5000)
        error = 2 * spread * law(rng, 5000)
        model = ErrorModel.fit({"spread": spread}, error)
        chances.append(model.chance(one, far)[0])
        drawn.append(model.draws(one, far, 200, rng).mean())
        counted.append((error / spread > far).mean())
        bars = [model.quantile({"spread": spread}, q) for q in (0.99, 0.995, 0.999)]
        over.append([(error > bar).mean() for bar in bars])
    assert np.mean(chances) == pytest.approx(0.003, rel=0.3)
    assert np.mean(chances) == pytest.approx(np.mean(counted), rel=0.1)
    assert np.mean(drawn) == pytest.approx(np.mean(counted), rel=0.1)
    assert np.mean(over, axis=0) == pytest.approx([0.01, 0.005, 0.001], rel=0.1)


def test_beyond_the_largest_residual_the_tail_goes_on():
    """Half of its share lies beyond, or what Student's t has there if this is more."""
    values = np.linspace(-2, 2, 21)
    of = ResidualDistribution(25.0, 21.0, values, np.full(21, 1 / 21))
    z = np.array([-9.0, -4.0, -2.0 - 1e-9, -2.0, 2.0, 2.0 + 1e-9, 4.0, 9.0])
    below = of.cumulative(z)
    assert (np.diff(below) >= 0).all()
    assert below + below[::-1] == pytest.approx(1)
    assert 1 - below[5] == pytest.approx(0.5 / (21 + 6), rel=1e-3)
    assert 0 < 1 - below[6] < 0.1 * (1 - below[5])
    few = ResidualDistribution(25.0, 4.0, values[8:12], np.full(4, 1 / 4))
    beyond = 1 - few.cumulative(np.array([0.2]))[0]  # of the last, nearly all is t's
    assert beyond > 0.5 / (4 + 6)
    assert of.quantile(0.99) > 2


@pytest.mark.parametrize("n", [64, 65, 66, 101, 1000, 100_001])
def test_thinned_residuals_keep_the_extremes(n):
    rng = np.random.default_rng(n)
    values, shares = np.sort(rng.standard_t(3, n)), rng.random(n)
    shares /= shares.sum()
    few, of_few = thinned(values, shares, 64)
    assert len(few) == len(of_few) == 64
    assert of_few.sum() == pytest.approx(1)
    for side in (slice(None, 4), slice(-4, None)):
        assert few[side] == pytest.approx(values[side])
        assert of_few[side] == pytest.approx(shares[side])
    middle = shares.cumsum() - shares / 2
    kept = np.interp(few, values, middle)
    assert kept == pytest.approx(of_few.cumsum() - of_few / 2)


def test_drawn_tails_are_those_of_the_distribution():
    """On either side of the outermost residuals, and between; for any width."""
    rng = np.random.default_rng(5)
    values, n = np.sort(rng.normal(size=40)), 40.0
    shares = rng.dirichlet(np.ones(40))
    z = np.array([-4.0, values[0] - 0.3, values[0], 0.0, values[-1], 3.0, 4.0])
    assert values[-1] < 3
    of = ResidualDistribution(1e7, n, values, shares)
    base = norm.cdf(z)
    observed = ((_TAIL_WORTH + n) * of.cumulative(z) - _TAIL_WORTH * base) / n
    for scale in (0.1, 1.0, 7.0):  # of the values, and of the width
        normal = np.full((1, 1), _TAIL_WORTH), np.full((1, 1), scale)
        drawn = _share_above(scale * z[None], scale * values, n * shares[None], normal)
        assert drawn[0] == pytest.approx(n * (1 - observed), rel=1e-4, abs=1e-6)
    assert 0 < drawn[0, -1] < drawn[0, -2] < drawn[0, -3]
