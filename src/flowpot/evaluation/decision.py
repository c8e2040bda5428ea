"""Which frames are flagged, and what that can be expected to find."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.binomial import Interval, holding
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.known import is_known
from flowpot.evaluation.model import ErrorModel
from flowpot.validation import number

Array = NDArray[np.float64]

CHANCE, TPR, LEAST_SQUARES = RULES = ("chance", "tpr", "least-squares")
TARGETS = {CHANCE: 0.35, TPR: 0.9}
"""What the first two rules aim at by default."""

_RENAMED = {"quantile": TPR}  # it aimed at a true positive rate, too
_DRAWS = 400
_ALONE, _STRATA = 1000, 1000  # frames that are drawn one by one, and groups of others
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
    rule = _RENAMED.get(rule, rule) if isinstance(rule, str) else rule
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: use one of {', '.join(RULES)}")
    number(target=target)
    if target is not None and not 0 < target < 1:
        raise ValueError(f"target is {target}: use a share between 0 and 1")
    return rule


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
        np.maximum(largest, fit.excess(disagreement, name), out=largest)
    return np.where(known, largest, np.inf)


def over_threshold(
    disagreement: Mapping[str, Array],
    calibration: Mapping[str, Calibration],
    factor: float = 1.0,
) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames over `factor` times the limit in any property."""
    return np.asarray(excess(disagreement, calibration) > factor)


def worst_chance(
    disagreement: Mapping[str, Array], calibration: Mapping[str, Calibration]
) -> Array:
    """
    Return the chance (n,) of each frame to be over tolerance, in its worst property.

    That in any property is as large at least.

    Parameters
    ----------
    disagreement
        Uncertainties, numbers or (n,) arrays.
    calibration
        Of one property or more.
    """
    return np.max(
        [fit.chance_over(disagreement, name) for name, fit in calibration.items()],
        axis=0,
    )


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


def chance_to_leave(chance: Array, share: float) -> float:
    """
    Return the chance from which on frames are flagged so that few others are bad.

    Parameters
    ----------
    chance
        (m,) of being over tolerance, of the frames judged.
    share
        Largest share of bad frames among those that are not flagged, as the chances
        let expect. Frames of the same chance are flagged together.
    """
    order = np.sort(chance)
    so_far = order.cumsum() / np.arange(1, len(order) + 1)
    first = int(np.searchsorted(so_far, share, side="right"))
    if first == len(order):
        return 1.0
    first = int(np.searchsorted(order, order[first]))
    below = order[first - 1] if first else 0.0
    return float(np.clip((below + order[first]) / 2, 1e-4, 1 - 1e-4))


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
        95 % intervals of the shares among the very frames judged, all of them.
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
        (m,) covariates of the frames that have the property and a finite prediction.
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
    uncertainty of the fit and that of the frames that are not labelled. They hold the
    rates, too: of few bad frames no share but 0 and 1 may be drawn.
    """
    chance, is_open = model.chance(judged, tolerance), np.ones(len(flagged), dtype=bool)
    if known is not None:
        is_open = np.isnan(known)
        chance = np.where(is_open, chance, known > tolerance)
    if not len(chance):
        return Rates(None, None, None)
    tpr = float(chance[flagged].sum() / chance.sum()) if chance.sum() > 0 else None
    ppv = float(chance[flagged].mean()) if flagged.any() else None
    hits, missed = _drawn_bad(model, judged, tolerance, chance, (flagged, is_open))
    n_flagged = np.full(_DRAWS, flagged.sum())
    return Rates(
        tpr,
        ppv,
        float(chance.mean()),
        None if tpr is None else _interval(hits, hits + missed, tpr),
        None if ppv is None else _interval(hits, n_flagged, ppv),
    )


def _drawn_bad(
    model: ErrorModel,
    judged: Mapping[str, Array],
    tolerance: float,
    chance: Array,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> tuple[Array, Array]:
    """
    Draw how many of all flagged frames are bad, and how many of the others.

    Parameters
    ----------
    model, judged, tolerance
        As in :func:`expected_rates`.
    chance
        (m,) of being bad; 0 or 1 of frames that are labelled.
    masks
        (m,) each: which frames are flagged, and which are not labelled.

    Returns
    -------
    tuple
        (draws,) each.
    """
    flagged, is_open = masks
    rng = np.random.default_rng(_SEED)
    groups = (flagged, ~flagged)
    strata = [_strata(chance, np.flatnonzero(group & is_open)) for group in groups]
    rows, sizes = map(np.concatenate, zip(*strata, strict=True))
    sample = {name: np.asarray(values)[rows] for name, values in judged.items()}
    drawn = np.clip(model.draws(sample, tolerance, _DRAWS, rng), 0.0, 1.0)
    bad = np.split(rng.binomial(sizes, drawn), [len(strata[0][0])], axis=1)
    of_labelled = [chance[group & ~is_open].sum() for group in groups]
    hits, missed = (
        part.sum(axis=1) + n for part, n in zip(bad, of_labelled, strict=True)
    )
    return hits, missed


def _strata(
    chance: Array, rows: NDArray[np.int_]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """
    Return frames that stand for all of some rows, and how many each stands for.

    Those of the largest chances stand for themselves: where bad frames are rare, these
    are most of them. The others are put into strata of neighbouring chances, of which
    the frame in the middle is taken.
    """
    n = len(rows)
    rows = rows[np.argsort(-chance[rows], kind="stable")]
    n_strata = min(n - min(n, _ALONE), _STRATA)
    ends = np.linspace(min(n, _ALONE), n, n_strata + 1).astype(int)
    edges = np.concatenate([np.arange(ends[0]), ends])
    return rows[(edges[:-1] + edges[1:]) // 2], np.diff(edges)


def _interval(hits: Array, among: Array, expected: float) -> Interval:
    """
    Return the 95 % interval of hits / among, over draws with any to count among.

    Where there is no such draw, nothing is known.
    """
    counted = among > 0
    if not counted.any():
        return 0.0, 1.0
    low, high = np.quantile(hits[counted] / among[counted], _ENDS)
    return holding((float(low), float(high)), expected)
