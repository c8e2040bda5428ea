"""
From uncertainties to the rows of the error model's regression, and its prior.

The logs of the uncertainties are taken about the middle of the fit. The leading one has
an exponent below it and another above: errors may have a floor, or saturate. One of the
others that is far below all of the fit vanishes by symmetry, as that of the forces in a
perfect crystal: it says nothing of the energy, and counts as in the middle.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.covariates import OWN
from flowpot.evaluation.regression import Regression

Array = NDArray[np.float64]

_EXPONENT = 0.5  # prior standard deviation of every exponent
_BEND = 0.5  # the same of the difference of the two of the leading uncertainty
_RATIO = math.log(2)  # prior mean of log(error / own spread)
_INTERCEPT = 16.0  # prior variance of the intercept in units of the scatter's
_UNKNOWN = 1e4  # the same where no covariate has the error's unit
_SCATTER, _SCATTER_WORTH = 0.5, 4.0  # prior scatter, and the frames that it counts for
_VANISHED = 0.01  # of what is usual, or less: numerical noise
_NO_UNIT = 1e-3  # of the error, or less: three deviations of the prior off
_SMALLEST = 1e-12  # stands for zero where nothing positive is known


def leading_of(names: Sequence[str]) -> int:
    """Return the index of the leading uncertainty: the own spread, or the first."""
    return names.index(OWN) if OWN in names else 0


def tells_size(names: Sequence[str], columns: Sequence[Array], error: Array) -> bool:
    """
    Return whether the leading uncertainty tells of the size of errors.

    An own spread does, unless the members are the same within rounding, as those of one
    training are: the prior would take the errors for as small.

    Parameters
    ----------
    names
        Of the uncertainties.
    columns
        (n,) each, their values in the fit.
    error
        (n,) errors.
    """
    if OWN not in names:
        return False
    spread = columns[leading_of(names)]
    return not len(error) or bool(np.median(spread) > _NO_UNIT * np.median(error))


def stand_in_for_zero(values: Array) -> float:
    """Return half of the smallest positive value, whose log is taken for zero's."""
    positive = values[values > 0]
    return float(max(positive.min() / 2, _SMALLEST)) if len(positive) else _SMALLEST


def without_vanished(column: Array) -> Array:
    """Return a column (n,) of a fit, with NaN for values that vanish by symmetry."""
    positive = column[column > 0]
    typical = float(np.median(positive)) if len(positive) else 0.0
    return np.where(column < _VANISHED * typical, np.nan, column)


def logs_of(columns: Sequence[Array], floor: Sequence[float]) -> Array:
    """Return the logs (n, k) of k columns (n,), each at least that of its floor."""
    pairs = zip(columns, floor, strict=True)
    logs = [np.log(np.maximum(column, least)) for column, least in pairs]
    return np.stack(logs, axis=1)


def about_middle(
    columns: Sequence[Array], floor: Sequence[float], middle: Array, leading: int
) -> Array:
    """
    Return logs (n, k) about their middle, and zero for what vanishes by symmetry.

    The leading column is taken as it is: the forces of a perfect crystal are right.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x = logs_of(columns, floor) - middle
    least = np.where(np.array(floor) > 0, _VANISHED * np.exp(middle), 0.0)
    vanished = np.stack(columns, axis=1) < least
    vanished[:, leading] = False
    return np.where(vanished, 0.0, x)


def middle_of(logs: Array, power: Array, bent: int) -> Array:
    """
    Return the mean of each column of logs, and the median of the one that bends.

    Parameters
    ----------
    logs
        (n, k); NaN takes no part.
    power
        (n,) weights.
    bent
        Index of the column that bends at its middle.

    Returns
    -------
    numpy.ndarray
        (k,); zeros without any row.
    """
    if not len(logs):
        return np.zeros(logs.shape[1])
    there = np.isfinite(logs)
    weight = np.where(there, power[:, None], 0.0)
    middle = (weight * np.where(there, logs, 0.0)).sum(axis=0)
    middle /= np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
    order = np.argsort(logs[:, bent], kind="stable")
    below = power[order].cumsum() - power[order] / 2
    middle[bent] = np.interp(power.sum() / 2, below, logs[order, bent])
    return np.asarray(middle)


def rows_of(x: Array, bent: int | None) -> Array:
    """
    Return the rows of the regression.

    Parameters
    ----------
    x
        (n, k) logs about their middle.
    bent
        Index of the column that bends; None: none does.

    Returns
    -------
    numpy.ndarray
        (n, 1 + k), of one and x; or (n, 2 + k), where the column that bends is cut off
        above zero, and what is above is the last.
    """
    one = np.ones(len(x))
    if bent is None:
        return np.column_stack([one, x])
    below = x.copy()
    below[:, bent] = np.minimum(x[:, bent], 0)
    return np.column_stack([one, below, np.maximum(x[:, bent], 0)])


def prior_of(middle: Array, leading: int, *, has_unit: bool) -> Regression:
    """
    Return what is known of the coefficients before any label.

    Errors are about twice the own spread, within a factor of a few. Without one, the
    first covariate takes its exponent, and of the scale nothing is known. Of the two
    exponents of this leading covariate, which are those of `rows_of`, the mean is
    1 +- 0.5, and the difference 0 +- 0.5: few labels do not bend the line.

    Parameters
    ----------
    middle
        (k,) of the logs, by `middle_of`.
    leading
        Index of the leading covariate.
    has_unit
        Whether it has the unit of the error, by :func:`tells_size`.
    """
    mean = np.zeros(len(middle) + 2)
    low, high = leading + 1, len(mean) - 1
    mean[[low, high]] = 1.0
    covariance = _EXPONENT**2 * np.eye(len(mean))
    quarter = _BEND**2 / 4  # of the variance of high - low
    covariance[[low, high], [low, high]] = _EXPONENT**2 + quarter
    covariance[[low, high], [high, low]] = _EXPONENT**2 - quarter
    covariance /= _SCATTER**2
    covariance[0, 0] = _UNKNOWN
    if has_unit:
        mean[0], covariance[0, 0] = middle[leading] + _RATIO, _INTERCEPT
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    return Regression(mean, precision, _SCATTER**2, _SCATTER_WORTH)
