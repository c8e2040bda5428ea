"""Bayesian linear regression in closed form."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.binomial import effective_number

Array = NDArray[np.float64]

_PINNED = 1e12  # precision of a slope that is held at zero
_ROUNDING = 1e-6
_LEVERAGE = 0.9  # largest leverage that a residual is corrected for
_PASSES = 3  # in which the prior of the slopes takes up the scatter


@dataclass(frozen=True)
class Regression:
    """
    A normal-inverse-gamma distribution of coefficients and their scatter.

    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), section 14.8: the
    coefficients b given the variance s2 are normal with covariance s2 / precision, and
    freedom * variance / s2 is chi-squared with so many degrees of freedom.

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
        Return the posterior after some observations, with this prior.

        Parameters
        ----------
        design
            (n, k).
        y
            (n,) observations.
        power
            (n,) to which the likelihood of each observation is raised.
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

    def fitted(self, design: Array, y: Array, power: Array) -> Self:
        """
        Return the posterior, with slopes whose prior does not depend on the scatter.

        In the conjugate prior the covariance of the slopes is in units of the scatter,
        which is known better after the update: a few passes make it what it is with
        the prior's own scatter, within a factor of two of this. Slopes that come out
        negative are held at zero, the most negative first: frames do not get better by
        being less certain. Use :meth:`released` for what they may be elsewhere.

        Parameters
        ----------
        design, y, power
            As in :meth:`updated`.
        """
        held = np.zeros(len(self.mean), dtype=bool)
        posterior = self.updated(design, y, power)
        while True:
            for _ in range(_PASSES):
                prior = self._held(held, self._ratio(posterior))
                posterior = prior.updated(design, y, power)
            slopes = np.where(held, 0.0, posterior.mean)[1:]
            if not len(slopes) or slopes.min() > -_ROUNDING:
                return posterior
            held[1 + slopes.argmin()] = True

    def released(self, posterior: Self, design: Array, y: Array, power: Array) -> Self:
        """
        Return the posterior with slopes that are no better known for being held.

        That a slope is not negative does not make it zero: frames far from those of the
        fit may depend on what does not vary among these. The coefficients are those of
        `posterior`, their precision is that of a fit without the condition.

        Parameters
        ----------
        posterior
            As :meth:`fitted` returns it, of the same observations.
        design, y, power
            As in :meth:`updated`.
        """
        prior = self._held(np.zeros(len(self.mean), dtype=bool), self._ratio(posterior))
        free = prior.updated(design, y, power)
        return replace(posterior, precision=free.precision)

    def _ratio(self, posterior: Self) -> float:
        """Return the posterior's variance in units of the prior's, within bounds."""
        return float(np.clip(posterior.variance / self.variance, 0.25, 4.0))

    def _held(self, held: NDArray[np.bool_], ratio: float) -> Self:
        """Return the prior, slopes `ratio` times as precise and some held at zero."""
        precision = self.precision * ratio
        precision[0, 0] = self.precision[0, 0]
        pinned = precision + np.diag(np.where(held, _PINNED, 0.0))
        mean = np.linalg.solve(pinned, precision @ self.mean)
        return replace(self, mean=mean, precision=pinned)

    def residuals(self, design: Array, y: Array, power: Array) -> tuple[Array, Array]:
        """
        Return the standardised residuals (n,), ascending, and the share of each.

        They are divided by sqrt(1 - h), h the leverage, since a line lies too near to
        the observations that it was fitted to.
        """
        if not len(y):
            return np.empty(0), np.empty(0)
        covariance = np.linalg.inv(self.precision)
        leverage = power * np.einsum("ij,jk,ik->i", design, covariance, design)
        scale = np.sqrt(self.variance * (1 - np.clip(leverage, 0, _LEVERAGE)))
        u = (y - design @ self.mean) / scale
        order = np.argsort(u, kind="stable")
        return u[order], power[order] / power.sum()


def given_zero(covariance: Array, held: NDArray[np.bool_]) -> Array:
    """
    Return the covariance of normal coefficients of which some are known to be zero.

    Examples
    --------
    >>> both = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> given_zero(both, np.array([False, True])).round(12).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    with_held = covariance[:, held]
    of_held = np.linalg.pinv(covariance[np.ix_(held, held)])
    return np.asarray(covariance - with_held @ of_held @ with_held.T)


def likelihood_power(n: int, weights: Array | None, worth: Array | None) -> Array:
    """
    Return the power (n,) to which the likelihood of each observation is raised.

    Parameters
    ----------
    n
        Number of observations.
    weights
        (n,) inverse selection probabilities, scaled here so that all together count
        for their effective number (Kish, Survey Sampling, 1965); None: one each.
    worth
        (n,) what each observation counts for besides; None: one each.
    """
    power = np.ones(n)
    if weights is not None:
        w = np.asarray(weights, dtype=float)
        w = np.where(np.isfinite(w) & (w > 0), w, 0.0)
        power = w * effective_number(w) / w.sum() if w.sum() > 0 else w
    return power if worth is None else power * worth
