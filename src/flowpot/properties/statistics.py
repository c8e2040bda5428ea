"""Mean and 95 % interval of a quantity that each member of a committee gives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from flowpot.properties.document import IntervalKind

_LEVEL = 0.975


def half_widths(
    values: ArrayLike, ratio: float | None = None
) -> tuple[NDArray[np.float64] | None, IntervalKind]:
    """
    Return the half-widths of 95 % intervals, and what they are made of.

    By the error model a half-width is `ratio` times the standard deviation of the
    members. Without, it is that of the interval in which another member would lie: with
    M values of sample standard deviation s, t s sqrt(1 + 1/M), where t is the 97.5 %
    quantile of Student's distribution of M - 1 degrees of freedom (Hahn and Meeker,
    Statistical Intervals, 1991, sec. 4.8). The true value is then taken for one more
    draw: an error that all members share is not seen.

    Parameters
    ----------
    values
        (M, ...) by M members.
    ratio
        95 % error by the error model, in units of the members' standard deviation (of
        a population). None: there is no calibration.

    Returns
    -------
    tuple
        Half-widths (...), None for one member, which has no spread; and their kind.

    Examples
    --------
    >>> half_widths([99.0, 101.0], ratio=3.0)
    (array(3.), 'calibrated')
    >>> width, kind = half_widths([99.0, 100.0, 101.0, 100.0])
    >>> round(float(width), 2), kind
    (2.91, 'members')
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one value has no spread
        return None, "none"
    if ratio is not None:
        return np.asarray(ratio * values.std(axis=0)), "calibrated"
    factor = student.ppf(_LEVEL, n - 1) * np.sqrt(1 + 1 / n)
    return np.asarray(factor * values.std(axis=0, ddof=1)), "members"


def moderated(values: ArrayLike) -> NDArray[np.float64]:
    """
    Return standard deviations of many like quantities, each steadied by all.

    A standard deviation of a few members is itself uncertain: of four it is half of the
    true one or less in a seventh of the cases, and the interval misses. The variance is
    the mean of the quantity's own and of that of all quantities, as in Smyth's
    moderated t (Stat. Appl. Genet. Mol. Biol. 3, 3, 2004) with a prior that is worth as
    much as the members.

    Parameters
    ----------
    values
        (M, ...) by M members, of one unit.

    Returns
    -------
    numpy.ndarray
        (...), of a population.

    Examples
    --------
    >>> moderated([[1.0, 2.0], [1.0, 4.0]]).round(2)
    array([0.5 , 0.87])
    """
    own = np.asarray(values, dtype=float).var(axis=0)
    return np.sqrt((own + own.mean()) / 2)


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
        See :func:`half_widths`.
    half_width
        95 % error by the error model, where it predicts the quantity itself.

    Examples
    --------
    >>> interval([99.0, 101.0], ratio=3.0)
    ((97.0, 103.0), 'calibrated')
    >>> interval([99.0])
    (None, 'none')
    """
    kind: IntervalKind = "calibrated"
    if half_width is None:
        width, kind = half_widths(values, ratio)
        if width is None:
            return None, kind
        half_width = float(width)
    mean = float(np.mean(values))
    return (mean - half_width, mean + half_width), kind
