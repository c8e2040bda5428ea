"""
Rules that turn pairs of disagreement and error into a threshold.

Three fit the slope of disagreement = slope * error, and the threshold is slope *
tolerance: ``least-squares`` (the paper's), ``window``, ``log``. Two look for the
threshold that keeps a promise: ``quantile`` about the bad frames, ``bound`` about the
accepted ones. ``chance`` flags a frame that is bad with a given probability. A frame
is bad if its error is over tolerance, and accepted if its disagreement is not over
the threshold.

True rates for forces, of silicon learned from a Tersoff teacher
(tests/benchmarks/test_calibration_study.py): nine committees, of three seeds and three
generations that had learned explored frames; 200 draws each of 45 frames of molecular
dynamics, of which 40 % are bad. Mean and least of the nine, scatter between draws, and
share of the draws in which the rule finds a threshold:

=============  ============  ============  =============  ========
rule           TPR (least)   PPV (least)   scatter        found in
=============  ============  ============  =============  ========
least-squares  0.89 (0.72)   0.76 (0.69)   0.067, 0.087   1.00
window         0.86 (0.76)   0.81 (0.76)   0.051, 0.046   1.00
log            0.77 (0.68)   0.88 (0.83)   0.053, 0.029   1.00
quantile       0.88 (0.87)   0.79 (0.71)   0.080, 0.076   1.00
bound          0.86 (0.82)   0.81 (0.75)   0.054, 0.051   0.03
chance         0.89 (0.81)   0.79 (0.74)   0.030, 0.033   1.00
=============  ============  ============  =============  ========

``chance`` varies least and is what an evaluation uses unless told otherwise; rule and
target were chosen on this study. On the frames that the campaigns themselves had
labelled it found 0.88 of the bad frames (0.80 to 0.93) and 0.80 of what it flagged was
bad (0.74 to 0.84); both were reported within 0.1 every time. The reference, a line
through all labelled frames, flagged nearly everything that was bad (0.95 to 1.00) and
as much that was not: PPV 0.40 to 0.65, reported as 0.69 to 0.85.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flowpot.evaluation.binomial import clopper_pearson_upper, effective_number
from flowpot.evaluation.error_model import ErrorModel

_WINDOW = 3.0
_REACH = 3.0
MIN_BAD = 10
"""Bad frames that the quantile rule needs: fewer do not have a tail."""


@dataclass(frozen=True)
class Pairs:
    """
    Disagreement and error of n frames in one property.

    Attributes
    ----------
    disagreement, error
        (n,) in the property's unit, finite.
    weights
        (n,) inverse selection probabilities.
    """

    disagreement: np.ndarray
    error: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: np.ndarray) -> "Pairs":
        return Pairs(self.disagreement[index], self.error[index], self.weights[index])

    @property
    def effective_n(self) -> float:
        """Number of equally weighted frames that tell as much (Kish, 1965)."""
        return effective_number(self.weights)


Rule = Callable[[Pairs, float, float], float]
"""Pairs, tolerance and target share to threshold; NaN if they do not allow one."""


def least_squares(pairs: Pairs, tolerance: float, target: float) -> float:  # noqa: ARG001
    """
    Fit disagreement = slope * error by weighted least squares.

    The AiiDA-TrainsPot paper, section II.1.6: slope = sum(w d e) / sum(w e^2).
    """
    return tolerance * least_squares_slope(pairs)


def least_squares_slope(pairs: Pairs) -> float:
    """Give the slope of the weighted least-squares line through the origin."""
    weighted = pairs.weights * pairs.error
    norm = weighted @ pairs.error
    return float(weighted @ pairs.disagreement / norm) if norm > 0 else np.nan


def window(pairs: Pairs, tolerance: float, target: float) -> float:  # noqa: ARG001
    """
    Fit the frames whose error is within a factor 3 of the tolerance.

    Frames far over tolerance pull a least-squares line, and the threshold lies where
    they are not (the calibration study: its threshold varies 4-11 % where that of the
    full fit varies 33 %, for heavy-tailed energies and 30 frames).
    """
    near = (pairs.error >= tolerance / _WINDOW) & (pairs.error <= tolerance * _WINDOW)
    return tolerance * least_squares_slope(pairs[near])


def log_median(pairs: Pairs, tolerance: float, target: float) -> float:  # noqa: ARG001
    """
    Take the weighted median of disagreement over error as slope.

    The least-absolute-deviation fit of log d = log slope + log e: no frame, however
    wrong, pulls it.
    """
    some = pairs[(pairs.error > 0) & (pairs.disagreement > 0)]
    if len(some) == 0:
        return np.nan
    ratio = some.disagreement / some.error
    return tolerance * _weighted_quantile(ratio, some.weights, 0.5)


def quantile(pairs: Pairs, tolerance: float, target: float) -> float:
    """
    Find the highest threshold that the share ``target`` of the bad frames is over.

    A direct estimate of the true positive rate, as conformal risk control has it
    (Angelopoulos et al., ICLR 2024, with the false negatives as risk); its frames
    have to be drawn uniformly or be weighted.
    """
    bad = pairs[pairs.error > tolerance]
    if len(bad) < MIN_BAD:
        return np.nan
    order = np.argsort(bad.disagreement)[::-1]
    caught = np.cumsum(bad.weights[order]) / bad.weights.sum()
    last = bad.disagreement[order][np.searchsorted(caught, target)]
    return float(np.nextafter(last, -np.inf))  # over, not at, the threshold


def bound(pairs: Pairs, tolerance: float, target: float) -> float:
    """
    Find the highest threshold under which at most 1 - ``target`` are bad, surely.

    The 95 % upper limit of Clopper and Pearson on the share of bad frames among the
    accepted: the share itself overshoots in 25-45 % of draws (the calibration study).
    Weighted counts are scaled to their effective number.
    """
    order = np.argsort(pairs.disagreement)
    w = pairs.weights[order]
    share = np.cumsum(w * (pairs.error[order] > tolerance)) / np.cumsum(w)
    n = np.cumsum(w) ** 2 / np.cumsum(w**2)
    limits = clopper_pearson_upper(share * n, n)
    kept = np.flatnonzero(limits <= 1 - target)
    return float(pairs.disagreement[order][kept[-1]]) if len(kept) else np.nan


def chance(pairs: Pairs, tolerance: float, target: float) -> float:
    """
    Find the disagreement at which a frame is bad with the probability ``target``.

    By the power law with scatter of :class:`ErrorModel`. How frames were chosen does
    not matter to it, as long as it was by their disagreement: it asks for the error
    at a given disagreement, and all frames tell it, not only those near the threshold.
    It extrapolates to a third of the least and three times the largest disagreement:
    of what lies beyond, the frames say nothing.
    """
    model = ErrorModel.fit(pairs.disagreement, pairs.error, tolerance)
    if model is None:
        return np.nan
    low, high = pairs.disagreement.min() / _REACH, pairs.disagreement.max() * _REACH
    return float(np.clip(model.threshold(tolerance, target), low, high))


RULES: dict[str, Rule] = {
    "least-squares": least_squares,
    "window": window,
    "log": log_median,
    "quantile": quantile,
    "bound": bound,
    "chance": chance,
}
SLOPE_RULES = ("least-squares", "window", "log")
TARGETS = {"quantile": 0.9, "bound": 0.9, "chance": 0.35}
"""What the rules that have a target aim at, unless told otherwise."""


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    below = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return float(np.interp(share, below, values[order]))
