"""Shares of counted frames, and their intervals."""

import math
from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.stats when it is used: reading a campaign needs none

from flowpot.validation import positive

Interval = tuple[float, float]
Told = tuple[np.ndarray, np.ndarray]
"""What samples of k strata say of the other frames: numbers of hits and of frames, (k,)
each. See :func:`told_of_others`."""

_ROUNDING = 1e-9


def effective_number(weights: np.ndarray) -> float:
    """
    Return the number of equally weighted frames that tell as much.

    Kish, Survey Sampling (1965): (sum w)^2 / sum w^2; 0 without frames.
    """
    squares = (weights**2).sum()
    return float(weights.sum() ** 2 / squares) if squares else 0.0


def weighted_share(
    hits: np.ndarray, among: np.ndarray, weights: np.ndarray
) -> tuple[float | None, Interval | None]:
    """
    Return the weighted share of ``hits`` in ``among``, and its 95 % interval.

    The share of the flagged in the bad is the TPR, that of the bad in the flagged the
    PPV (AiiDA-TrainsPot paper, eqs. 3 and 4).

    Parameters
    ----------
    hits, among
        (n,) masks.
    weights
        (n,) inverse selection probabilities.

    Returns
    -------
    tuple
        None and None where there are no frames to count among.
    """
    w = weights[among]
    if w.sum() == 0:
        return None, None
    share = float(weights[hits & among].sum() / w.sum())
    n = effective_number(w)
    return share, jeffreys(share * n, n)


def jeffreys(k: float, n: float, confidence: float = 0.95) -> Interval:
    """
    Return the equal-tailed interval of a share, of which k in n were counted.

    Quantiles of Jeffreys' posterior Beta(k + 1/2, n - k + 1/2), with the ends 0 and 1
    where nothing and everything was counted (Brown, Cai and DasGupta, Stat. Sci. 16,
    101, 2001). Weighted counts, scaled to their effective number, need not be whole.
    """
    tail = (1 - confidence) / 2
    posterior = scipy.stats.beta(k + 0.5, n - k + 0.5)
    low = 0.0 if k == 0 else float(posterior.ppf(tail))
    high = 1.0 if k == n else float(posterior.ppf(1 - tail))
    return low, high


def clopper_pearson_upper(
    k: np.ndarray, n: np.ndarray, confidence: float = 0.95
) -> np.ndarray:
    """
    Return upper limits of shares, of which k in n were counted.

    They hold at least as often as they promise (Clopper and Pearson, Biometrika 26,
    404, 1934). Weighted counts, scaled to their effective number, need not be whole
    (Korn and Graubard, Survey Methodology 24, 193, 1998).
    """
    rest = np.asarray(n - k)
    all_counted = rest <= _ROUNDING * np.asarray(n)
    limit = scipy.stats.beta.ppf(confidence, k + 1, np.where(all_counted, 1.0, rest))
    return np.where(all_counted, 1.0, limit)


def frames_needed(k: int, limit: float, confidence: float = 0.95) -> int:
    """
    Return how many frames an audit needs to pass with k bad ones.

    Parameters
    ----------
    k
        Number of bad frames.
    limit
        Share that the upper limit of :func:`clopper_pearson_upper` may reach.
    confidence
        Confidence of the upper limit.

    Raises
    ------
    ValueError
        Where the limit is not positive: no number of frames is enough.

    Examples
    --------
    >>> [frames_needed(k, 0.1) for k in (0, 1, 2)]
    [29, 46, 61]
    """
    positive(limit=limit)

    def passes(n: int) -> bool:
        upper = clopper_pearson_upper(np.array(k), np.array(n), confidence)
        return bool(upper <= limit)

    few, n = k, k + 1  # of `few` frames it does not pass
    while not passes(n):
        few, n = n, 2 * n
    while n - few > 1:  # bisection: the more frames, the lower the limit
        middle = (few + n) // 2
        few, n = (few, middle) if passes(middle) else (middle, n)
    return n


def closing_size(asked: int, limit: float) -> int:
    """
    Return how many frames a closing audit has.

    Parameters
    ----------
    asked
        Frames that were asked for; 0: there is no closing audit.
    limit
        Share of bad frames that it is to exclude: see :func:`frames_needed`.

    Examples
    --------
    >>> closing_size(30, 0.1), closing_size(30, 0.05), closing_size(0, 0.1)
    (30, 59, 0)
    """
    return max(asked, frames_needed(0, limit)) if asked else 0


def second_look(n: int, limit: float, confidence: float = 0.95) -> int:
    """
    Return how many further frames an audit needs that found one of n bad.

    None are needed where it passes as it is.

    It passes if none of these is bad. Both ways to pass, at once and after a second
    look, together let a share of `limit` through with a chance of 1 - `confidence` at
    most: a two-stage sampling plan (Dodge and Romig, Bell Syst. Tech. J. 20, 1, 1941).

    Parameters
    ----------
    n
        Number of frames of the first look, :func:`frames_needed` or more.
    limit
        Share of bad frames that must not pass.
    confidence
        Of the plan.

    Examples
    --------
    >>> [second_look(n, 0.1) for n in (29, 30, 40, 46)]
    [38, 28, 6, 0]
    """
    good = 1 - limit
    left = 1 - confidence - good**n
    more = math.ceil(math.log(left / (n * limit * good ** (n - 1))) / math.log(good))
    return max(more, frames_needed(1, limit, confidence) - n, 0)


def drawn_counts(
    hits: np.ndarray,
    among: np.ndarray,
    sizes: np.ndarray,
    draws: int = 4000,
    *,
    told: Told | None = None,
) -> np.ndarray:
    """
    Draw how many frames of each of k strata are hits, given those of a sample.

    The sampled frames are known. Of the others the number of hits is beta-binomial,
    with Jeffreys' prior (Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, section
    2.4): the larger the share of a stratum that was sampled, the less is uncertain.

    Parameters
    ----------
    hits, among
        (k,) counts in the sample.
    sizes
        (k,) frames that each stratum has, the sample among them.
    draws
        Number of draws.
    told
        What the sample says of the others; None: all frames of a stratum were drawn
        with the same chance.

    Returns
    -------
    numpy.ndarray
        (draws, k).
    """
    rng = np.random.default_rng(0)  # the same counts have the same interval
    k, n = (hits, among) if told is None else told
    others = np.maximum(np.rint(sizes - among), 0).astype(np.int64)
    p = rng.beta(k + 0.5, n - k + 0.5, size=(draws, len(hits)))
    return np.asarray(hits + rng.binomial(others, p))


def told_of_others(hits: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """
    Return what a sample says of the frames that were not drawn.

    A frame of weight w was drawn with a chance of 1 / w: it stands for itself and for
    w - 1 others.

    Parameters
    ----------
    hits
        (n,) mask.
    weights
        (n,) inverse selection probabilities.

    Returns
    -------
    tuple
        Hits, and :func:`effective_number` of frames among which they were counted; the
        counts themselves where all weights are the same.

    Examples
    --------
    >>> hits = np.array([True, True, True, False])
    >>> told_of_others(hits, np.full(4, 5.0))
    (3.0, 4.0)
    >>> told_of_others(hits, np.array([1.0, 1.0, 5.0, 5.0]))
    (1.0, 2.0)
    """
    others = np.maximum(weights - 1, 0)
    n = effective_number(others)
    return (float(np.average(hits, weights=others)) * n if n else 0.0), n


def told_in_strata(
    hits: np.ndarray, weights: np.ndarray, strata: Sequence[np.ndarray]
) -> Told:
    """
    Return :func:`told_of_others` for each of several strata.

    Parameters
    ----------
    hits
        (n,) mask.
    weights
        (n,) inverse selection probabilities.
    strata
        k masks (n,).
    """
    told = [told_of_others(hits[rows], weights[rows]) for rows in strata]
    k, n = np.array(told).reshape(-1, 2).T
    return k, n


def holding(interval: Interval, counted: float) -> Interval:
    """Return an interval, widened to hold what was counted: few frames say little."""
    low, high = interval
    return min(low, counted), max(high, counted)


def share_of_population(
    hits: float,
    among: float,
    size: float,
    confidence: float = 0.95,
    *,
    told: Told | None = None,
) -> Interval:
    """
    Return the interval of the share of hits in a population that was sampled.

    As :func:`jeffreys`, but for the frames of a finite population: see
    :func:`drawn_counts`, which explains `told`.
    """
    counts = drawn_counts(
        np.array([hits]), np.array([among]), np.array([size]), told=told
    )
    share = counts[:, 0] / max(size, among)
    tail = (1 - confidence) / 2
    low, high = np.quantile(share, [tail, 1 - tail])
    return (
        0.0 if hits == 0 else float(low),
        1.0 if hits == among < size else float(high),
    )


def share_in_strata(
    hits: np.ndarray,
    among: np.ndarray,
    sizes: np.ndarray,
    confidence: float = 0.95,
    *,
    told: Told | None = None,
) -> Interval:
    """
    Return the interval of the share of all hits that lies in the first of two strata.

    An example is the share of the bad frames that was flagged: h_1 / (h_1 + h_2), each
    number of hits as :func:`drawn_counts` draws it, and 0 or 1 at the end where a
    stratum had no hit. The uncertainty of such a ratio lies in the few hits of the
    large stratum, which a weighted count does not show.

    Parameters
    ----------
    hits, among
        (2,) counts in the sample.
    sizes
        (2,) frames that each stratum has.
    confidence
        Probability that the interval holds the share.
    told
        As in :func:`drawn_counts`.
    """
    first, second = drawn_counts(hits, among, sizes, told=told).T
    counted = first + second > 0
    tail = (1 - confidence) / 2
    ratio = first[counted] / (first + second)[counted]
    low, high = np.quantile(ratio, [tail, 1 - tail]) if counted.any() else (0.0, 1.0)
    ends = (0.0 if hits[0] == 0 else low, 1.0 if hits[1] == 0 else high)
    return float(ends[0]), float(ends[1])
