"""The error on fresh frames: of predictions made before the frames were learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from flowpot.evaluation.binomial import (
    Interval,
    drawn_counts,
    holding,
    told_in_strata,
)

Array = NDArray[np.float64]

_ENDS = (0.025, 0.975)
_ROUNDING = 1e-9


class FreshError(BaseModel):
    """
    The error of explored frames in one property, before they were learned.

    It speaks of the explored frames that could be drawn for labels, in this iteration
    or in the one before (see :class:`flowpot.evaluation.checks.Checked`); of the
    accepted ones alone where only a closing audit was labelled: `of` says so.

    The median leads, since the root mean square of a few frames is that of the worst.
    """

    value: float | None = Field(
        description="median error of a frame, in the property's unit; None where more "
        "than half of the labels failed"
    )
    interval: tuple[float, float | None] = Field(
        description="95 % interval of the median; None: it has no upper end"
    )
    rms: float | None = Field(None, description="root mean square error of the frames")
    over: float | None = Field(None, description="share of frames over tolerance")
    over_interval: Interval | None = Field(None, description="95 %")
    n: int = Field(description="frames that were labelled, or whose label failed")
    n_failed: int = Field(0, description="of them failed: their error counts as large")
    of: str = Field("", description="the frames, and the committee, in words")


@dataclass(frozen=True)
class Sample:
    """
    Frames that were predicted, and then labelled.

    Attributes
    ----------
    error
        (n,) arrays by property; NaN without a label.
    flagged
        (n,) mask of flagged frames, from which and from the accepted ones the sample
        was drawn separately.
    weights
        (n,) inverse probabilities of being drawn.
    failed
        (n,) mask of those whose label failed.
    of
        The frames, in words.
    """

    error: Mapping[str, Array]
    flagged: NDArray[np.bool_]
    weights: Array
    failed: NDArray[np.bool_]
    of: str

    def __len__(self) -> int:
        return len(self.weights)


def fresh_errors(
    sample: Sample, properties: Sequence[str], tolerance: Mapping[str, float]
) -> dict[str, FreshError]:
    """
    Summarise a sample for each property.

    Parameters
    ----------
    sample
        Explored frames.
    properties
        Those to summarise.
    tolerance
        Acceptable error, per property.

    Returns
    -------
    dict
        By property, without those in which no frame has an error.

    Notes
    -----
    The distribution of errors is the sum of the distributions in the strata, each
    weighed by the number of frames that it stands for. The interval of the median is
    Woodruff's (J. Am. Stat. Assoc. 47, 635, 1952): the errors at which the
    distribution, whose own uncertainty at the median is that of a stratified count,
    passes one half. It assumes no distribution. Intervals are of the very frames that
    the sample was drawn from, of which it is a part; what is said of the others follows
    the weights, since frames that were chosen are worse than those that were not.
    """
    summaries = {}
    for name in properties:
        if name not in sample.error:
            continue
        e = np.where(sample.failed, np.inf, sample.error[name])
        known = ~np.isnan(e) & np.isfinite(sample.weights)
        if known.any():
            summaries[name] = _summary(
                e[known],
                sample.flagged[known],
                sample.weights[known],
                tolerance.get(name),
            ).model_copy(
                update={"n_failed": int(sample.failed[known].sum()), "of": sample.of}
            )
    return summaries


def _summary(
    e: Array, flagged: NDArray[np.bool_], w: Array, tolerance: float | None
) -> FreshError:
    order = np.argsort(e, kind="stable")
    values, share = e[order], w[order] / w.sum()
    # The lower and the upper median differ where one half ends between two frames.
    halves = np.searchsorted(share.cumsum(), (0.5 - _ROUNDING, 0.5 + _ROUNDING))
    median = float(values[halves].mean())
    ends = _stratified(e <= median, flagged, w, around=0.5)
    low, high = _outwards(ends, share, values)
    finite = np.isfinite(e)
    rms = (
        np.sqrt(np.average(e[finite] ** 2, weights=w[finite])) if finite.any() else None
    )
    over = None if tolerance is None else e > tolerance
    return FreshError(
        value=_finite(median),
        interval=(_finite(low) or 0.0, _finite(high)),
        rms=None if rms is None else float(rms),
        over=None if over is None else float(np.average(over, weights=w)),
        over_interval=None if over is None else _stratified(over, flagged, w),
        n=len(e),
    )


def _outwards(ends: Interval, share: Array, values: Array) -> tuple[float, float]:
    """
    Return the values at two quantiles, each the next one outwards.

    One frame may stand for many, so that the distribution has long steps. Beyond the
    first and the last value nothing is known: 0 and infinity.
    """
    upto = share.cumsum()
    first = int(np.searchsorted(upto, ends[0], side="right")) - 1
    last = int(np.searchsorted(upto - share, ends[1]))
    return (
        float(values[first]) if first >= 0 else 0.0,
        float(values[last]) if last < len(values) else np.inf,
    )


def _stratified(
    hits: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    w: Array,
    around: float | None = None,
) -> Interval:
    """
    Return the 95 % interval of a share among the frames that a sample stands for.

    With `around`, the interval of its deviation about that value.
    """
    strata = [rows for rows in (flagged, ~flagged) if rows.any()]
    n = np.array([rows.sum() for rows in strata])
    k = np.array([hits[rows].sum() for rows in strata])
    sizes = np.maximum([w[rows].sum() for rows in strata], n)
    counts = drawn_counts(k, n, sizes, told=told_in_strata(hits, w, strata))
    share = counts.sum(axis=1) / sizes.sum()
    if around is not None:
        share = share - share.mean() + around
    low, high = (float(end) for end in np.quantile(share, _ENDS))
    if around is not None:
        return low, high
    return holding((low, high), float(np.average(hits, weights=w)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
