"""Measures of how uncertainty and error go together."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from flowpot.evaluation.binomial import Interval

Array = NDArray[np.float64]


def least_squares_slope(d: Array, e: Array, w: Array) -> float:
    """Return the slope of d = slope * e by weighted least squares, all (n,)."""
    norm = (w * e) @ e
    return float((w * d) @ e / norm) if norm > 0 else 0.0


def typical_ratio(d: Array, e: Array, w: Array, n: float) -> tuple[float, Interval]:
    """
    Return the geometric mean of uncertainty over error, and its 95 % interval.

    Student's t on the logs: neither outliers nor heavy tails move it much.

    Parameters
    ----------
    d, e, w
        (k,) uncertainties, errors and weights.
    n
        Number of frames that these are worth.
    """
    positive = (d > 0) & (e > 0)
    if not positive.any():
        return 0.0, (0.0, 0.0)
    logs = np.log(d[positive] / e[positive])
    mean = np.average(logs, weights=w[positive])
    variance = np.average((logs - mean) ** 2, weights=w[positive])
    freedom = max(min(n, positive.sum()) - 1, 1.0)
    half = scipy.stats.t.ppf(0.975, freedom) * math.sqrt(variance / freedom)
    half = min(half, 50.0)
    return math.exp(mean), (math.exp(mean - half), math.exp(mean + half))


def r2(observed: Array, fitted: Array, w: Array) -> float:
    """Return the weighted coefficient of determination, all (n,)."""
    mean = np.average(observed, weights=w)
    total = (w * (observed - mean) ** 2).sum()
    return float(1 - (w * (observed - fitted) ** 2).sum() / total) if total else 0.0


def spearman(d: Array, e: Array) -> float:
    """Return Spearman's rank correlation; 0 where one of them is constant."""
    if np.ptp(d) == 0 or np.ptp(e) == 0:
        return 0.0
    return float(np.corrcoef(scipy.stats.rankdata(d), scipy.stats.rankdata(e))[0, 1])
