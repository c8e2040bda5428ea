"""Laws of a committee's error given its spread, whose chances are known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student


@dataclass(frozen=True)
class Law:
    """
    How errors follow the spread.

    Attributes
    ----------
    noise
        Draws the ratio of error to typical error, from random numbers and a size.
    over
        Probability that this ratio is over a value.
    exponent
        The typical error is 2 * spread ** exponent, at a spread of about one.
    width
        Scatter of log spread between frames.
    typical
        The typical error by the spread, where it is no power.
    """

    noise: Callable[[np.random.Generator, int], np.ndarray]
    over: Callable[[np.ndarray], np.ndarray]
    exponent: float = 1.0
    width: float = 0.8
    typical: Callable[[np.ndarray], np.ndarray] | None = None

    def scale(self, spread: np.ndarray) -> np.ndarray:
        """Return the typical error."""
        return self.typical(spread) if self.typical else 2 * spread**self.exponent

    def error(self, rng: np.random.Generator, spread: np.ndarray) -> np.ndarray:
        """Draw errors."""
        return self.scale(spread) * self.noise(rng, len(spread))

    def chance(self, spread: np.ndarray, tolerance: float) -> np.ndarray:
        """Return the true probability of being over tolerance."""
        return self.over(tolerance / self.scale(spread))


def lognormal(scatter: float, **options) -> Law:
    """Make errors that scatter evenly on a log scale."""
    return Law(
        lambda rng, n: rng.lognormal(0, scatter, n),
        lambda x: norm.sf(np.log(x) / scatter),
        **options,
    )


def knee(below: float, above: float) -> Callable[[np.ndarray], np.ndarray]:
    """Make a typical error whose exponent changes at a spread of one."""
    return lambda s: 2 * np.where(s < 1, s**below, s**above)


LAWS = {
    "narrow": lognormal(0.3),
    "wide": lognormal(0.8),
    "gaussian": Law(
        lambda rng, n: np.abs(rng.normal(size=n)), lambda x: 2 * norm.sf(x)
    ),
    "heavy tails": Law(
        lambda rng, n: np.abs(rng.standard_t(3, n)), lambda x: 2 * student.sf(x, 3)
    ),
    "mixed sizes": Law(
        lambda rng, n: rng.lognormal(np.where(rng.random(n) < 0.5, -0.5, 0.5), 0.3),
        lambda x: (
            (norm.sf((np.log(x) + 0.5) / 0.3) + norm.sf((np.log(x) - 0.5) / 0.3)) / 2
        ),
    ),
    "uncorrelated": lognormal(0.8, exponent=0.0),
    "square root": lognormal(0.5, exponent=0.5),
    "bimodal": Law(
        lambda rng, n: rng.lognormal(np.where(rng.random(n) < 0.7, -1.5, 1.0), 0.2),
        lambda x: (
            0.7 * norm.sf((np.log(x) + 1.5) / 0.2)
            + 0.3 * norm.sf((np.log(x) - 1.0) / 0.2)
        ),
    ),
    "floor": lognormal(0.4, typical=lambda s: np.hypot(2 * s, 1.5)),
    "saturating": lognormal(0.4, typical=lambda s: 2 * s + 0.5 * s**3),
    "two populations": lognormal(0.4, typical=lambda s: np.where(s < 1, 4 * s, s)),
    "collinear": lognormal(0.5),
    "knee up": lognormal(0.4, typical=knee(0.3, 2.0)),
    "knee down": lognormal(0.4, typical=knee(1.5, 0.2)),
    "ceiling": lognormal(0.4, typical=lambda s: 3 * s / (1 + s)),
}
"""
Of these, "collinear" has a second uncertainty, which says the same: `Twin`. By "two
populations" errors fall at a spread of one, which no model with exponents has. The last
three were written after the error model had been decided on.
"""
