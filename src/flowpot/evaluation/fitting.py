"""
From disagreement to error: the calibration of a committee.

A committee's disagreement is proportional to its true error, but the factor is far
from one and moves with the generation and with where the frames came from. It is
therefore fitted anew each iteration, on frames that represent those to be judged.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from flowpot.evaluation.binomial import weighted_share
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.error_model import ErrorModel
from flowpot.evaluation.mixture import Mixture
from flowpot.evaluation.prediction import PROPERTIES
from flowpot.evaluation.rules import (
    RULES,
    SLOPE_RULES,
    TARGETS,
    Pairs,
    least_squares_slope,
)

_N_BOOTSTRAP = 500
_INTERVAL = (2.5, 97.5)
_JOINED = ("energy", "stress")
_SEED = 0  # of the bootstrap: the same frames have the same interval


@dataclass(frozen=True)
class Trust:
    """
    What a fit has to have for a decision to stand on it.

    Attributes
    ----------
    min_frames
        Effective number of frames.
    min_rank_correlation
        Spearman's, of disagreement with error.
    """

    min_frames: float = 30
    min_rank_correlation: float = 0.3


def calibrate(
    disagreement: Mapping[str, np.ndarray],
    error: Mapping[str, np.ndarray],
    tolerance: Mapping[str, float],
    *,
    rule: str = "least-squares",
    target: float | None = None,
    weights: np.ndarray | None = None,
    judged: Mapping[str, np.ndarray] | None = None,
    trust: Trust | None = None,
    with_forces: Collection[str] = (),
) -> dict[str, Calibration]:
    """
    Fit disagreement against error for each property that has labels.

    Parameters
    ----------
    disagreement, error
        (n,) arrays per property, of :func:`flowpot.evaluation.disagreement` and
        :func:`flowpot.evaluation.error`. NaN drops a frame from that property.
    tolerance
        Error that is still acceptable, per property: eV/atom, eV/A, eV/A^3.
    rule
        ``least-squares`` (the paper's), ``window``, ``log``, ``quantile``, ``bound``
        or ``chance``: see :mod:`flowpot.evaluation.rules`.
    target
        Of the rules that have one; None: 0.9, 0.9, 0.35. ``quantile``: the true
        positive rate; ``bound``: the share of good frames among the accepted;
        ``chance``: the probability of being bad from which on a frame is flagged.
    weights
        (n,) inverse selection probabilities; None weighs all frames alike.
    judged
        Disagreements of the frames to be judged, per property: of these the expected
        rates are given.
    trust
        What makes a fit trusted.
    with_forces
        Properties, ``energy`` or ``stress``, whose disagreement is joined with that of
        the forces: see :class:`flowpot.evaluation.mixture.Mixture`.

    Returns
    -------
    dict[str, Calibration]
        Without the properties that have fewer than two usable frames.

    Examples
    --------
    >>> import numpy as np
    >>> e = np.linspace(0.01, 0.2, 40)
    >>> fit = calibrate({"forces": 0.5 * e}, {"forces": e}, {"forces": 0.1})["forces"]
    >>> round(fit.slope, 3), round(fit.threshold, 3), fit.tpr, fit.trusted
    (0.5, 0.05, 1.0, True)
    """
    check_rule(rule, target)
    check_with_forces(with_forces)
    goal = TARGETS.get(rule, 0.5) if target is None else target
    fits = {}
    for name in PROPERTIES:
        if name not in tolerance or name not in error:
            continue
        d, e = np.asarray(disagreement[name]), np.asarray(error[name])
        mixture = None
        if name in with_forces:
            forces = np.asarray(disagreement["forces"])
            mixture = Mixture.fit(d, forces, e)
            d = d if mixture is None else mixture.join(d, forces)
        w = np.ones(len(e)) if weights is None else np.asarray(weights, float)
        usable = np.isfinite(d) & np.isfinite(e)
        if usable.sum() < 2:  # noqa: PLR2004 - one point has no spread
            continue
        pairs = Pairs(d, e, w)[usable]
        fit = _Fit(pairs, tolerance[name], rule, goal).calibration(trust or Trust())
        fit = fit.model_copy(update={"mixture": mixture})
        seen = None if judged is None else fit.measure(judged, name)
        fits[name] = counted(fit, pairs, seen)
    return fits


def check_rule(rule: str, target: float | None) -> None:
    """
    Refuse a rule that does not exist, and a share that is none.

    Raises
    ------
    ValueError
        Naming what there is.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: use one of {', '.join(RULES)}")
    if target is not None and not 0 < target < 1:
        raise ValueError(f"target is {target}: use a share between 0 and 1")


def check_with_forces(names: Collection[str]) -> None:
    """
    Refuse to join what cannot be joined with the forces' disagreement.

    Raises
    ------
    ValueError
        Naming what can.
    """
    if unknown := set(names).difference(_JOINED):
        raise ValueError(
            f"with_forces is {list(names)}, but {', '.join(sorted(unknown))} cannot be "
            f"joined with the forces: use some of {', '.join(_JOINED)}"
        )


def counted(
    fit: Calibration, pairs: Pairs, judged: np.ndarray | None = None
) -> Calibration:
    """
    Count what the threshold of a calibration finds among some frames.

    Parameters
    ----------
    fit
        The calibration.
    pairs
        The labelled frames.
    judged
        Disagreements of frames without labels, for the rates to expect of them.
    """
    bad, over = pairs.error > fit.tolerance, pairs.disagreement > fit.threshold
    tpr, tpr_interval = weighted_share(over, bad, pairs.weights)
    ppv, ppv_interval = weighted_share(bad, over, pairs.weights)
    expected: tuple[float | None, float | None] = (None, None)
    model = ErrorModel.fit(pairs.disagreement, pairs.error, fit.tolerance)
    if judged is not None and model is not None:
        finite = judged[np.isfinite(judged)]
        expected = model.rates(finite, fit.threshold, fit.tolerance)
    return fit.model_copy(
        update={
            "tpr": tpr,
            "tpr_interval": tpr_interval,
            "ppv": ppv,
            "ppv_interval": ppv_interval,
            "expected_tpr": expected[0],
            "expected_ppv": expected[1],
        }
    )


@dataclass(frozen=True)
class _Fit:
    """One property's pairs, and the rule to apply to them."""

    pairs: Pairs
    tolerance: float
    rule: str
    target: float

    def calibration(self, trust: Trust) -> Calibration:
        """Apply the rule and judge what came of it."""
        pairs, found = self.pairs, self.threshold(self.pairs)
        line = least_squares_slope(pairs)
        threshold = found if math.isfinite(found) else line * self.tolerance
        slope = threshold / self.tolerance if self.fits_slope else line
        rng = np.random.default_rng(_SEED)
        draws = rng.integers(len(pairs), size=(_N_BOOTSTRAP, len(pairs)))
        slopes = [self.slope(pairs[draw]) for draw in draws]
        low, high = np.nanpercentile(slopes, _INTERVAL)
        fit = Calibration(
            slope=slope,
            slope_interval=(low, high),
            r2=_r2(pairs.disagreement, slope * pairs.error, pairs.weights),
            rank_correlation=_spearman(pairs.disagreement, pairs.error),
            coverage=float(
                np.average(
                    slope * pairs.error <= pairs.disagreement, weights=pairs.weights
                )
            ),
            tolerance=self.tolerance,
            threshold=threshold,
            rule=self.rule,
            n=len(pairs),
            effective_n=pairs.effective_n,
            trusted=True,
        )
        reason = _distrust(fit, trust, pairs)
        if not math.isfinite(found):
            reason = reason or self.failure
        return fit.model_copy(update={"trusted": reason is None, "reason": reason})

    @property
    def fits_slope(self) -> bool:
        return self.rule in SLOPE_RULES

    def threshold(self, pairs: Pairs) -> float:
        return RULES[self.rule](pairs, self.tolerance, self.target)

    def slope(self, pairs: Pairs) -> float:
        if self.fits_slope:
            return self.threshold(pairs) / self.tolerance
        return least_squares_slope(pairs)

    @property
    def failure(self) -> str:
        n_bad = int((self.pairs.error > self.tolerance).sum())
        return (
            f"the rule {self.rule!r} finds no threshold with {n_bad} bad frames among "
            f"{len(self.pairs)}, target {self.target:g}"
        )


def _r2(observed: np.ndarray, fitted: np.ndarray, w: np.ndarray) -> float:
    mean = np.average(observed, weights=w)
    total = (w * (observed - mean) ** 2).sum()
    return float(1 - (w * (observed - fitted) ** 2).sum() / total) if total else 0.0


def _spearman(d: np.ndarray, e: np.ndarray) -> float:
    if np.ptp(d) == 0 or np.ptp(e) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(d), rankdata(e))[0, 1])


def _distrust(fit: Calibration, trust: Trust, pairs: Pairs) -> str | None:
    """Say why a fit cannot be trusted, or None."""
    low, high = fit.slope_interval
    if fit.effective_n < trust.min_frames:
        return (
            f"too few frames: {fit.effective_n:.1f} effective, {trust.min_frames:g} "
            "needed"
        )
    if np.ptp(pairs.disagreement) == 0 or np.ptp(pairs.error) == 0:
        return "no spread: all frames disagree or err alike"
    if not fit.slope > 0:
        return f"slope {fit.slope:.3g} is not positive"
    if high - low > fit.slope:
        return (
            f"slope {fit.slope:.3g} is uncertain: interval {low:.3g} to {high:.3g} is "
            "wider than itself"
        )
    if fit.rank_correlation < trust.min_rank_correlation:
        return (
            f"rank correlation is lost: {fit.rank_correlation:.2f}, "
            f"{trust.min_rank_correlation:g} needed"
        )
    return None
