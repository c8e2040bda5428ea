"""The distribution of the residuals of a regression, for frames that have no label."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TAIL_WORTH = 6.0  # frames that Student's t counts for beside the observed residuals
_SMALLEST = 1e-12  # of a share, in frames


@dataclass(frozen=True)
class ResidualDistribution:
    """
    Predictive distribution of the standardised residual.

    A Dirichlet-process mixture (Ferguson, Ann. Stat. 1, 209, 1973) of Student's t and
    of the residuals that were observed: with few observations the tails are Student's,
    with many those of the data, whatever their distribution. Beyond an outermost
    residual there is half of its share, at least, with the shape of Student's t, since
    nothing else is known there.

    Attributes
    ----------
    freedom
        Degrees of freedom of Student's t.
    n
        Observations that the residuals are worth.
    values
        (k,) standardised residuals, ascending.
    shares
        (k,) share of each in n.
    """

    freedom: float
    n: float
    values: Array
    shares: Array

    def cumulative(self, z: Array) -> Array:
        """Return the probability (m,) of a residual of at most z (m,)."""
        base = scipy.special.stdtr(self.freedom, z)
        if not len(self.values):
            return np.asarray(base)
        worth = self.n * self.shares
        below, beyond = (
            _further(
                scipy.special.stdtr(self.freedom, sign * z),
                scipy.special.stdtr(self.freedom, sign * self.values[end]),
                worth[end],
                _TAIL_WORTH,
            )
            for sign, end in ((1, 0), (-1, -1))
        )
        observed = np.interp(z, self.values, worth.cumsum() - worth / 2)
        observed = np.where(z < self.values[0], below, observed)
        observed = np.where(z > self.values[-1], worth.sum() - beyond, observed)
        return np.asarray((_TAIL_WORTH * base + observed) / (_TAIL_WORTH + self.n))

    def quantile(self, q: float) -> float:
        """Return the residual that others stay under with probability q."""
        low, high = -1e3, 1e3
        for _ in range(80):  # bisection to the last digit
            middle = (low + high) / 2
            if self.cumulative(np.array([middle]))[0] < q:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def drawn_excess(
        self, gap: Array, unit: float, scatter: Array, rng: np.random.Generator
    ) -> Array:
        """
        Return probabilities of exceeding a gap, with shares drawn from the posterior.

        The residuals are weighed anew (the Bayesian bootstrap, Rubin, Ann. Stat. 9,
        130, 1981), about their expected mean: that of the line is drawn with its
        coefficients, and would be uncertain twice. The base is normal, since its
        scatter is drawn, too.

        Parameters
        ----------
        gap
            (d, m) in the unit of the observations, one row a draw.
        unit
            Value in that unit of a standardised residual of one.
        scatter
            (d,) standard deviation of the base.
        rng
            Random numbers.
        """
        draws = len(gap)
        tail = rng.gamma(_TAIL_WORTH, size=(draws, 1))
        if not len(self.values):
            return np.asarray(scipy.special.ndtr(-gap / scatter[:, None]))
        worth = np.maximum(self.n * self.shares, _SMALLEST)
        share = rng.gamma(worth, size=(draws, len(worth)))
        total = tail[:, 0] + share.sum(axis=1)
        mean = share @ self.values / total
        gap = (
            gap + unit * (mean - worth @ self.values / (_TAIL_WORTH + self.n))[:, None]
        )
        width = scatter[:, None] / unit
        observed = _share_above(gap / unit, self.values, share, (tail, width))
        base = tail * scipy.special.ndtr(-gap / scatter[:, None])
        return np.asarray((base + observed) / total[:, None])


def _further(base: Array, at_end: Array, share: Array, worth: Array | float) -> Array:
    """
    Return what lies beyond z besides the base, where z is beyond the last residual.

    Beyond this, half of its share is to lie, or more. The base has part of it there.

    Parameters
    ----------
    base, at_end
        What the base has beyond z, and beyond the last residual, in units of its worth.
    share
        Of the last residual, in the unit of `worth`.
    worth
        Of the base.
    """
    beyond = np.minimum(base, at_end)
    part = np.divide(beyond, at_end, out=np.zeros_like(beyond), where=at_end > 0)
    return np.asarray(np.maximum(share / 2 - worth * at_end, 0.0) * part)


def _share_above(
    z: Array, values: Array, share: Array, normal: tuple[Array, Array]
) -> Array:
    """
    Return what lies above z (d, m), of ascending values (k,) with shares (d, k).

    Half of each share lies on either side of its value, and it is linear in between,
    as in :meth:`ResidualDistribution.cumulative`; beyond the first and the last value
    see :func:`_further`, with a normal base of some worth (d, 1) and width (d, 1).
    """
    above = share[:, ::-1].cumsum(axis=1)[:, ::-1] - share / 2
    right = np.clip(np.searchsorted(values, z), 1, max(len(values) - 1, 1))
    step = np.diff(values, append=np.inf)[right - 1]
    part = np.clip((z - values[right - 1]) / np.where(step > 0, step, 1.0), 0, 1)
    low, high = (
        np.take_along_axis(above, np.minimum(side, len(values) - 1), axis=1)
        for side in (right - 1, right)
    )
    inside = low + part * (high - low)
    everything = share.sum(axis=1, keepdims=True)
    worth, width = normal
    below, beyond = (
        _further(
            scipy.special.ndtr(sign * z / width),
            scipy.special.ndtr(sign * values[end] / width),
            share[:, end, None],
            worth,
        )
        for sign, end in ((1, 0), (-1, -1))
    )
    inside = np.where(z < values[0], everything - below, inside)
    return np.where(z > values[-1], beyond, inside)


def thinned(values: Array, shares: Array, n: int) -> tuple[Array, Array]:
    """
    Describe an ascending weighted sample by at most n values and their shares.

    The outermost values are kept, since they are the tails. Towards the middle values
    stand for groups that grow by a factor.

    Examples
    --------
    >>> thinned(np.arange(5.0), np.full(5, 0.2), 10)[0].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    >>> values, shares = thinned(np.arange(1000.0), np.full(1000, 1e-3), 20)
    >>> values.round(1).tolist()[:7]
    [0.0, 1.5, 4.0, 8.5, 16.5, 31.0, 58.5]
    >>> (1000 * shares).round(3).tolist()[:7]
    [1.0, 2.0, 3.0, 6.0, 10.0, 19.0, 36.0]
    """
    if len(values) <= n:
        return values, shares
    half = len(values) // 2
    right = len(values) - _ends(len(values) - half, n // 2)[::-1]
    edges = np.concatenate([_ends(half, n // 2), right[1:]])
    of_groups = np.add.reduceat(shares, edges[:-1])
    wanted = of_groups.cumsum() - of_groups / 2
    return np.interp(wanted, shares.cumsum() - shares / 2, values), of_groups


def _ends(n: int, groups: int) -> NDArray[np.int_]:
    """Return the ends (groups + 1,) of groups of n values: one each, then ever more."""
    step = np.arange(groups + 1)
    ends = np.maximum(step, (n ** (step / groups)).astype(int))
    ends[0] = 0
    return ends
