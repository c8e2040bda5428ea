"""How errors scatter about what the disagreement says of them."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import norm

from flowpot.evaluation.binomial import effective_number

_FEWEST = 4  # two parameters and their scatter
_WIDTH = math.log(2)  # in log disagreement, of the weights about the tolerance
_INNER = (0.1, 0.9)  # quantiles of the disagreements between which the weights centre


@dataclass(frozen=True)
class ErrorModel:
    """
    A power law with log-normal scatter: log e = log scale + exponent log d + noise.

    Attributes
    ----------
    scale, exponent
        The median error at disagreement d is scale * d ** exponent.
    scatter
        Standard deviation of log e about it.

    Notes
    -----
    A least-squares line of log error on log disagreement, in which the frames whose
    disagreement is within a factor of two of where the median error reaches the
    tolerance count most (Gaussian weights: local regression, Cleveland, 1979). Unlike
    rates counted among the labelled frames it does not depend on how these were chosen
    by disagreement, and all of them bear on the threshold, however few are bad.

    Of nine learned generations of silicon, calibrated on 45 to 55 frames each, both
    expected rates were within 0.1 of the true ones
    (tests/benchmarks/test_calibration_study.py).
    """

    scale: float
    exponent: float
    scatter: float

    @classmethod
    def fit(
        cls, disagreement: np.ndarray, error: np.ndarray, tolerance: float
    ) -> Self | None:
        """
        Fit positive disagreements and errors, best where the error is near tolerance.

        None where the errors do not increase with disagreement.
        """
        some = (disagreement > 0) & (error > 0)
        if some.sum() < _FEWEST or np.ptp(disagreement[some]) == 0:
            return None
        x, y = np.log(disagreement[some]), np.log(error[some])
        first, start = np.polyfit(x, y, 1)
        if first <= 0:
            return None
        centre = np.clip((math.log(tolerance) - start) / first, *np.quantile(x, _INNER))
        weights = np.exp(-0.5 * ((x - centre) / _WIDTH) ** 2)
        n = effective_number(weights)
        if n < _FEWEST:
            return None
        exponent, intercept = np.polyfit(x, y, 1, w=np.sqrt(weights))
        if exponent <= 0:
            return None
        residual = y - exponent * x - intercept
        variance = np.average(residual**2, weights=weights) * n / (n - 2)
        return cls(math.exp(intercept), float(exponent), math.sqrt(variance))

    def chance(self, disagreement: np.ndarray, tolerance: float) -> np.ndarray:
        """Give the probability that the error is over tolerance."""
        with np.errstate(divide="ignore"):
            median = np.log(self.scale) + self.exponent * np.log(disagreement)
        gap = median - math.log(tolerance)
        return norm.cdf(gap / max(self.scatter, np.finfo(float).tiny))

    def threshold(self, tolerance: float, chance: float) -> float:
        """Give the disagreement at which the error is over tolerance with a chance."""
        gap = math.log(tolerance / self.scale) + self.scatter * norm.ppf(chance)
        return math.exp(gap / self.exponent)

    def rates(
        self, disagreement: np.ndarray, threshold: float, tolerance: float
    ) -> tuple[float | None, float | None]:
        """
        Give the true positive rate and the positive predictive value to expect.

        Parameters
        ----------
        disagreement
            (n,) of the frames that are judged.
        threshold, tolerance
            On the disagreement, and on the error.

        Returns
        -------
        tuple
            Each None where nothing is bad or nothing is over the threshold.
        """
        bad, over = self.chance(disagreement, tolerance), disagreement > threshold
        tpr = float(bad[over].sum() / bad.sum()) if bad.sum() > 0 else None
        return tpr, float(bad[over].mean()) if over.any() else None
