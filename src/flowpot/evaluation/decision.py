"""Which frames are flagged, and what that can be expected to find."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.binomial import Interval
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.model import ErrorModel
from flowpot.evaluation.predicted import HAS_STRESS

Array = NDArray[np.float64]

CHANCE, TPR, LEAST_SQUARES = RULES = ("chance", "tpr", "least-squares")
TARGETS = {CHANCE: 0.35, TPR: 0.9}
"""What the first two rules aim at by default."""

_RENAMED = {"quantile": TPR}  # it aimed at a true positive rate, too
_DRAWS = 400
_MOST = 2000  # frames that the draws are made for
_SEED = 0  # the same frames have the same intervals
_ENDS = (0.025, 0.975)


def checked_rule(rule: str, target: float | None) -> str:
    """
    Refuse a rule that does not exist, and a target that is no share.

    Returns
    -------
    str
        The rule, by its present name.

    Raises
    ------
    ValueError
        Naming the rules that there are.
    """
    rule = _RENAMED.get(rule, rule)
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: use one of {', '.join(RULES)}")
    if target is not None and not 0 < target < 1:
        raise ValueError(f"target is {target}: use a share between 0 and 1")
    return rule


def is_known(disagreement: Mapping[str, Array]) -> NDArray[np.bool_]:
    """
    Return the mask (n,) of frames whose uncertainties are finite.

    That of the stress need not be: frames without a volume have none.
    """
    columns = [np.atleast_1d(v) for k, v in disagreement.items() if k != "stress"]
    return np.asarray(np.isfinite(columns).all(axis=0))


def lacks(disagreement: Mapping[str, Array], name: str) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames without a property: stress without a volume."""
    known = is_known(disagreement)
    if name != "stress":
        return np.zeros_like(known)
    if HAS_STRESS in disagreement:
        return np.asarray(np.atleast_1d(disagreement[HAS_STRESS]) == 0)
    return np.asarray(known & np.isnan(np.atleast_1d(disagreement["stress"])))


def excess(
    disagreement: Mapping[str, Array], calibration: Mapping[str, Calibration]
) -> Array:
    """
    Return how far each frame is over what is accepted, in its worst property.

    Parameters
    ----------
    disagreement
        Uncertainties, numbers or (n,) arrays.
    calibration
        Of the properties that decide.

    Returns
    -------
    numpy.ndarray
        (n,), of :meth:`Calibration.excess`: a frame is flagged over 1. Infinite for a
        frame without a finite prediction.
    """
    known = is_known(disagreement)
    largest = np.zeros(len(known))
    for name, fit in calibration.items():
        ratio = np.where(lacks(disagreement, name), 0.0, fit.excess(disagreement, name))
        np.maximum(largest, ratio, out=largest)
    return np.where(known, largest, np.inf)


def over_threshold(
    disagreement: Mapping[str, Array],
    calibration: Mapping[str, Calibration],
    factor: float = 1.0,
) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames over `factor` times the limit in any property."""
    return np.asarray(excess(disagreement, calibration) > factor)


def chance_to_reach(chance: Array, tpr: float) -> float:
    """
    Return the chance from which on frames are flagged so that a share of the bad is.

    Parameters
    ----------
    chance
        (m,) of being over tolerance, of the frames judged.
    tpr
        Share of the bad frames to be flagged, as the chances let expect.
    """
    order = np.sort(chance)[::-1]
    total = order.sum()
    if total == 0:
        return 0.5
    last = min(int(np.searchsorted(order.cumsum() / total, tpr)), len(order) - 1)
    return float(np.clip(order[last], 1e-4, 1 - 1e-4))


@dataclass(frozen=True)
class Rates:
    """
    Rates to expect, each None where nothing is bad or nothing is flagged.

    Attributes
    ----------
    tpr
        True positive rate: share of the bad frames that is flagged.
    ppv
        Positive predictive value: share of the flagged frames that is bad.
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
    known: Array | None = None,
) -> Rates:
    """
    Return the rates that an error model lets expect of what is flagged.

    Parameters
    ----------
    model
        Of the errors in one property.
    judged
        (m,) covariates.
    tolerance
        Acceptable error, in the property's unit.
    flagged
        (m,) mask.
    known
        (m,) errors of the frames judged that are labelled, NaN for all others; None:
        none is.

    Notes
    -----
    The rates are ratios of sums of chances. The intervals are quantiles over draws
    from the posterior, in each of which every frame is bad or not: they hold the
    uncertainty of the fit and that of the frames that are not labelled.
    """
    chance = model.chance(judged, tolerance)
    if known is not None:
        chance = np.where(np.isnan(known), chance, known > tolerance)
    if not len(chance):
        return Rates(None, None, None)
    tpr = float(chance[flagged].sum() / chance.sum()) if chance.sum() > 0 else None
    ppv = float(chance[flagged].mean()) if flagged.any() else None
    rng = np.random.default_rng(_SEED)
    rows = np.arange(len(chance))
    if len(rows) > _MOST:
        rows = np.sort(rng.choice(rows, _MOST, replace=False))
    sample = {name: np.asarray(values)[rows] for name, values in judged.items()}
    drawn = model.draws(sample, tolerance, _DRAWS, rng)
    bad = rng.random(drawn.shape) < drawn
    if known is not None:
        bad = np.where(np.isnan(known[rows]), bad, known[rows] > tolerance)
    hits = bad[:, flagged[rows]].sum(axis=1)
    n_flagged = np.full(_DRAWS, flagged[rows].sum())
    return Rates(
        tpr,
        ppv,
        float(chance.mean()),
        None if tpr is None else _interval(hits, bad.sum(axis=1)),
        None if ppv is None else _interval(hits, n_flagged),
    )


def _interval(hits: Array, among: Array) -> Interval | None:
    """Return the 95 % interval of hits / among, over draws with any to count among."""
    counted = among > 0
    if not counted.any():
        return None
    low, high = np.quantile(hits[counted] / among[counted], _ENDS)
    return float(low), float(high)
