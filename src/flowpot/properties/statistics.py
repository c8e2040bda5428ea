"""Mean and 95 % interval of a quantity that each member of a committee gives."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from flowpot.properties.document import IntervalKind

_LEVEL = 0.975


def members_half_width(values: Sequence[float]) -> float | None:
    """
    Return the half-width of the 95 % interval in which another member would lie.

    With M values of standard deviation s (of a sample) it is t s sqrt(1 + 1/M), t being
    the 97.5 % quantile of Student's distribution of M - 1 degrees of freedom (Hahn and
    Meeker, Statistical Intervals, 1991, sec. 4.8). The true value is taken for one more
    draw: an error that all members share is not seen.

    Returns
    -------
    float or None
        None for fewer than two values.

    Examples
    --------
    >>> round(members_half_width([99.0, 100.0, 101.0, 100.0]), 2)
    2.91
    """
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one value has no spread
        return None
    return float(
        student.ppf(_LEVEL, n - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n)
    )


def interval(
    values: Sequence[float],
    *,
    ratio: float | None = None,
    half_width: float | None = None,
) -> tuple[tuple[float, float] | None, IntervalKind]:
    """
    Return the 95 % interval about the mean, and what it is made of.

    Parameters
    ----------
    values
        By the members that have one.
    ratio
        95 % error by the error model, in units of the members' standard deviation (of
        a population). None: there is no calibration.
    half_width
        95 % error by the error model, where it predicts the quantity itself.

    Examples
    --------
    >>> interval([99.0, 101.0], ratio=3.0)
    ((97.0, 103.0), 'calibrated')
    >>> interval([99.0])
    (None, 'none')
    """
    mean = float(np.mean(values))
    kind: IntervalKind = "calibrated"
    if half_width is None and ratio is not None and len(values) > 1:
        half_width = ratio * float(np.std(values))
    if half_width is None:
        kind, half_width = "members", members_half_width(values)
    if half_width is None:
        return None, "none"
    return (mean - half_width, mean + half_width), kind
