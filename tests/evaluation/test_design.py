"""Uncertainties that vanish by symmetry, and what they say."""

import numpy as np
import pytest

from flowpot.evaluation import ErrorModel


@pytest.mark.parametrize("vanished", [0.0, 1e-7])
def test_what_vanishes_by_symmetry_says_nothing(vanished):
    """Of the energy, that is: the forces of a perfect crystal have no spread."""
    rng = np.random.default_rng(11)

    def frames(n, symmetric):
        hardness = rng.normal(size=n)
        spread = np.exp(hardness + 0.3 * rng.normal(size=n))
        forces = np.exp(hardness + 0.3 * rng.normal(size=n))
        error = np.exp(hardness + 0.5 * rng.normal(size=n))
        forces[:symmetric] = vanished * forces[:symmetric]
        return {"spread": spread, "forces_spread": forces}, error

    for in_fit in (0, 15):
        model = ErrorModel.fit(*frames(150, in_fit))
        seen, error = frames(4000, 4000)
        covered = (error <= model.quantile(seen, 0.95)).mean()
        assert covered > 0.85  # it is .48 where zeros promise small errors
        assert (error <= model.quantile(seen, 0.5)).mean() == pytest.approx(
            0.5, abs=0.1
        )


def test_forces_that_vanish_by_symmetry_are_right():
    rng = np.random.default_rng(12)
    spread = rng.lognormal(size=100)
    model = ErrorModel.fit({"spread": spread}, spread * rng.lognormal(size=100))
    still, least = model.quantile({"spread": np.array([0.0, spread.min()])}, 0.95)
    assert still < least


@pytest.mark.parametrize("n", [12, 40])
@pytest.mark.parametrize("ratio", [0.0, 1e-16, 1e-6, 1e-4])
def test_members_that_are_the_same_do_not_tell_how_large_errors_are(n, ratio):
    """Their spread is rounding. A feature distance tells; scatter was up to 1.6."""
    scatters, covered = [], []
    for seed in range(10):
        rng = np.random.default_rng([seed, n])

        def frames(n, rng=rng):
            distance = rng.lognormal(0, 0.8, n)
            error = 0.1 * distance * rng.lognormal(0, 0.3, n)
            spread = 0.1 * ratio * rng.lognormal(0, 0.05, n)
            return {"spread": spread, "feature_distance": distance}, error

        model = ErrorModel.fit(*frames(n))
        seen, error = frames(500)
        scatters.append(model.scatter)
        covered.append((error <= model.quantile(seen, 0.95)).mean())
    assert np.mean(scatters) < (0.4 if n == 40 else 0.5)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_a_spread_that_is_small_but_no_rounding_keeps_its_unit():
    """Of two labels the error is about twice the spread, as before any label."""
    spread = np.full(2, 0.01)
    model = ErrorModel.fit({"spread": spread}, np.full(2, 0.1))
    assert 0.02 < np.exp(model.mean[0]) < 0.099
