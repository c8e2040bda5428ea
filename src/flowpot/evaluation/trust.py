"""What makes a calibration a good one."""

from dataclasses import dataclass

import numpy as np

from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.covariates import Pairs
from flowpot.evaluation.decision import LEAST_SQUARES
from flowpot.validation import at_least, number


@dataclass(frozen=True)
class Trust:
    """
    What a calibration needs to be called trusted.

    Attributes
    ----------
    min_frames
        Effective number of frames.
    min_rank_correlation
        Spearman's, of the predicted error with the error.

    Raises
    ------
    ValueError
        For a number of frames below zero, and what is no correlation.
    """

    min_frames: float = 30
    min_rank_correlation: float = 0.3

    def __post_init__(self) -> None:
        at_least(0, min_frames=self.min_frames)
        number(min_rank_correlation=self.min_rank_correlation)
        if not -1 <= self.min_rank_correlation <= 1:
            raise ValueError(
                f"min_rank_correlation is {self.min_rank_correlation}: use a number "
                "from -1 to 1"
            )


def distrust(fit: Calibration, trust: Trust, pairs: Pairs) -> str | None:
    """
    Say why a fit is not trusted; None if it is.

    Parameters
    ----------
    fit
        The calibration of one property.
    trust
        What it needs.
    pairs
        The frames that it was fitted to.
    """
    if fit.effective_n < trust.min_frames - 1e-6:
        return (
            f"too few frames: {fit.effective_n:.1f} effective, {trust.min_frames:g} "
            "needed"
        )
    if np.ptp(pairs.leading) == 0 or np.ptp(pairs.error) == 0:
        return "no spread: all frames disagree or err alike"
    low, high = fit.slope_interval
    if fit.rule == LEAST_SQUARES and high - low > fit.slope:
        return (
            f"slope {fit.slope:.3g} is uncertain: interval {low:.3g} to {high:.3g} is "
            "wider than itself"
        )
    if fit.rank_correlation < trust.min_rank_correlation:
        return (
            f"frames are not told apart: rank correlation {fit.rank_correlation:.2f}, "
            f"{trust.min_rank_correlation:g} needed; bars hold on average, for frames "
            "like those of the fit"
        )
    return None
