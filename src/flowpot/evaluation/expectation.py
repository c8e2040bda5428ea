"""What the error model lets expect of the frames judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.binomial import Interval
from flowpot.evaluation.error_model import ErrorModel

Array = NDArray[np.float64]

_DRAWS = 400
_MOST = 2000  # frames that the draws are made for
_SEED = 0  # the same frames have the same intervals
_ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Rates:
    """
    Rates to expect, each None where nothing is bad or nothing is flagged.

    Attributes
    ----------
    tpr
        Share of the bad frames that is flagged.
    ppv
        Share of the flagged frames that is bad.
    bad
        Share of all frames that is bad.
    tpr_interval, ppv_interval
        95 % intervals of the shares among the very frames judged.
    """

    tpr: float | None
    ppv: float | None
    bad: float | None
    tpr_interval: Interval | None = None
    ppv_interval: Interval | None = None


def expected_rates(
    model: ErrorModel,
    judged: Mapping[str, Array],
    tolerance: float,
    flagged: NDArray[np.bool_],
) -> Rates:
    """
    Expect the rates of what is flagged.

    Parameters
    ----------
    model
        Of the errors.
    judged
        (m,) covariates.
    tolerance
        On the error.
    flagged
        (m,) mask of the frames that are.

    Notes
    -----
    The rates are ratios of sums of chances. The intervals are quantiles over draws
    from the posterior, in each of which every frame is bad or not: they hold the
    uncertainty of the fit and that of the m frames.
    """
    chance = model.chance(judged, tolerance)
    if not len(chance):
        return Rates(None, None, None)
    tpr = float(chance[flagged].sum() / chance.sum()) if chance.sum() > 0 else None
    ppv = float(chance[flagged].mean()) if flagged.any() else None
    rng = np.random.default_rng(_SEED)
    rows = np.arange(len(chance))
    if len(rows) > _MOST:
        rows = np.sort(rng.choice(rows, _MOST, replace=False))
    some = {name: np.asarray(values)[rows] for name, values in judged.items()}
    drawn = model.draws(some, tolerance, _DRAWS, rng)
    bad = rng.random(drawn.shape) < drawn
    hits = bad[:, flagged[rows]].sum(axis=1)
    return Rates(
        tpr,
        ppv,
        float(chance.mean()),
        None if tpr is None else _interval(hits, bad.sum(axis=1)),
        None if ppv is None else _interval(hits, np.full(_DRAWS, flagged[rows].sum())),
    )


def chance_to_reach(chance: Array, tpr: float) -> float:
    """
    Find the chance from which frames are flagged so that a share of the bad is.

    Parameters
    ----------
    chance
        (m,) of the frames judged.
    tpr
        Share of the bad frames to be flagged, as expected by the chances.
    """
    order = np.sort(chance)[::-1]
    total = order.sum()
    if total == 0:
        return 0.5
    last = min(int(np.searchsorted(order.cumsum() / total, tpr)), len(order) - 1)
    return float(np.clip(order[last], 1e-4, 1 - 1e-4))


def _interval(hits: Array, among: Array) -> Interval | None:
    """Quantiles of hits / among over the draws in which there is something."""
    some = among > 0
    if not some.any():
        return None
    low, high = np.quantile(hits[some] / among[some], _ENDS)
    return float(low), float(high)
