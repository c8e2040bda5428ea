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
