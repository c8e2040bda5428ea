"""Bayesian linear regression in closed form."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_PINNED = 1e12  # precision of a slope that is zero
_ROUNDING = 1e-6
_LEVERAGE = 0.9  # largest that a residual is corrected for
_PASSES = 3  # in which the prior of the exponents takes up the scatter


@dataclass(frozen=True)
class Regression:
    """
    A normal-inverse-gamma distribution of coefficients and their scatter.

    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), section 14.8: b given the
    variance s2 is normal with covariance s2 / precision, and freedom * variance / s2
    is chi-squared with so many degrees of freedom.

    Attributes
    ----------
    mean
        (k,) coefficients, the intercept first.
    precision
        (k, k), in units of 1 / s2.
    variance
        Scale of s2.
    freedom
        Degrees of freedom.
    """

    mean: Array
    precision: Array
    variance: float
    freedom: float

    def updated(self, design: Array, y: Array, power: Array) -> Self:
        """
        Take in observations.

        Parameters
        ----------
        design
            (n, k).
        y
            (n,).
        power
            (n,) to which each frame's likelihood is raised.
        """
        weighted = design * power[:, None]
        precision = self.precision + weighted.T @ design
        mean = np.linalg.solve(precision, self.precision @ self.mean + weighted.T @ y)
        shift, residual = mean - self.mean, y - design @ mean
        freedom = self.freedom + power.sum()
        squares = (
            self.freedom * self.variance
            + (power * residual**2).sum()
            + shift @ self.precision @ shift
        )
        return replace(
            self,
            mean=np.asarray(mean, dtype=np.float64),
            precision=precision,
            variance=squares / freedom,
            freedom=freedom,
        )

    def fitted(self, design: Array, y: Array, power: Array, deviation: float) -> Self:
        """
        Take in observations, with a prior of the slopes that is independent of them.

        In the conjugate prior the slopes' deviation is in units of the scatter, which
        is known better after the update: a few passes make it `deviation`, whatever
        the scatter, within a factor of two of the prior's own. Slopes that come out
        negative are set to zero, the most negative first: frames do not get better by
        being less certain.
        """
        found, none = self.updated(design, y, power), np.zeros(len(self.mean), bool)
        while True:
            for _ in range(_PASSES):
                prior = self._with_slopes(found.variance, deviation, none)
                found = prior.updated(design, y, power)
            slopes = np.where(none, 0.0, found.mean)[1:]
            if not len(slopes) or slopes.min() > -_ROUNDING:
                return found
            none[1 + slopes.argmin()] = True

    def _with_slopes(
        self, variance: float, deviation: float, none: NDArray[np.bool_]
    ) -> Self:
        """Set the prior deviation of the slopes, and those that are none to zero."""
        ratio = np.clip(variance / self.variance, 0.25, 4.0)
        diagonal = np.full(len(self.mean), ratio * self.variance / deviation**2)
        diagonal[0] = self.precision[0, 0]
        diagonal[none] = _PINNED
        mean = np.where(none, 0.0, self.mean)
        return replace(self, mean=mean, precision=np.diag(diagonal))

    def residuals(self, design: Array, y: Array, power: Array) -> tuple[Array, Array]:
        """
        Return the standardised residuals, ascending, and the share of each.

        They are divided by sqrt(1 - h), h the leverage, since a line lies too near to
        the frames that it was fitted to.
        """
        if not len(y):
            return np.empty(0), np.empty(0)
        covariance = np.linalg.inv(self.precision)
        leverage = power * np.einsum("ij,jk,ik->i", design, covariance, design)
        scale = np.sqrt(self.variance * (1 - np.clip(leverage, 0, _LEVERAGE)))
        u = (y - design @ self.mean) / scale
        order = np.argsort(u, kind="stable")
        return u[order], power[order] / power.sum()


def thinned(values: Array, shares: Array, n: int) -> tuple[Array, Array]:
    """
    Describe an ascending weighted sample by at most n values of equal shares.

    Examples
    --------
    >>> thinned(np.arange(5.0), np.full(5, 0.2), 10)[0].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    >>> thinned(np.arange(1000.0), np.full(1000, 1e-3), 4)[0].round(1).tolist()
    [124.5, 374.5, 624.5, 874.5]
    """
    if len(values) <= n:
        return values, shares
    middles = shares.cumsum() - shares / 2
    wanted = (np.arange(n) + 0.5) / n
    return np.interp(wanted, middles, values), np.full(n, 1 / n)
