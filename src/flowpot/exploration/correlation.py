"""How long a trajectory remembers: the correlation time of its potential energy."""

import math
from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.signal when it is used
from numpy.typing import ArrayLike, NDArray

_ENOUGH_ROWS = 10
_TENTHS = 10


def correlation_steps(steps: ArrayLike, energies: ArrayLike) -> list[float]:
    """
    Return how many steps of a trajectory hold one independent value.

    Parameters
    ----------
    steps, energies
        (n,) rows of the whole log, evenly spaced, and its potential energies.

    Returns
    -------
    list[float]
        Of the whole log, without its first tenth, its first two and so on, as long as
        there are rows enough; at least the steps between rows each.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=400)
    >>> correlation_steps(10 * np.arange(400), noise)[0] < 20
    True
    >>> slow = np.convolve(noise, np.ones(10), "valid")
    >>> 50 < correlation_steps(10 * np.arange(391), slow)[0] < 200
    True
    """
    rows, series = np.asarray(steps, dtype=float), np.asarray(energies, dtype=float)
    cuts = len(rows) * np.arange(_TENTHS) // _TENTHS
    return [
        float(max(inefficiency(series[cut:]), 1.0) * np.diff(rows).mean())
        for cut in cuts
        if len(rows) - cut >= _ENOUGH_ROWS
    ]


def correlation_after(found: Sequence[float], share: float) -> float | None:
    """
    Return the steps that hold one independent value after a share of a trajectory.

    Parameters
    ----------
    found
        By :func:`correlation_steps`.
    share
        Of the trajectory, which does not count.

    Returns
    -------
    float | None
        None where the log was too short to tell.
    """
    if not found:
        return None
    return found[min(math.ceil(_TENTHS * share), len(found) - 1)]


def inefficiency(series: NDArray[np.float64]) -> float:
    """
    Return the statistical inefficiency of a series, (n,).

    It is the number of rows that hold one independent value.

    Notes
    -----
    g = 1 + 2 sum_t (1 - t/n) C(t), with the sum cut where the autocorrelation C first
    falls below zero (Chodera et al., J. Chem. Theory Comput. 3, 26 (2007), eq. 4).
    """
    n = len(series)
    deviation = series - series.mean()
    variance = (deviation**2).mean()
    if variance == 0:
        return 1.0
    # not by sums over all pairs of rows, of which long runs have many
    covariance = scipy.signal.correlate(deviation, deviation, method="fft")[n - 1 :]
    correlation = covariance / np.arange(n, 0, -1) / variance
    end = int(np.argmax(correlation <= 0)) or n
    lag = np.arange(1, end)
    return float(1 + 2 * ((1 - lag / n) * correlation[1:end]).sum())
