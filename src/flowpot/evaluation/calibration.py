"""
From disagreement to error: the calibration of a committee.

A committee's disagreement is proportional to its true error, but the factor is far
from one and moves with the generation and with where the frames came from. It is
therefore fitted anew each iteration, on frames that represent those to be judged.
"""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, Field
from scipy.stats import rankdata

from flowpot.evaluation.prediction import PROPERTIES

_N_BOOTSTRAP = 500
_INTERVAL = (2.5, 97.5)


class Calibration(BaseModel):
    """How the disagreement in one property translates into error, and how surely."""

    slope: float = Field(description="disagreement = slope * error")
    slope_interval: tuple[float, float] = Field(
        description="95 % bootstrap interval of the slope"
    )
    r2: float = Field(description="coefficient of determination of the fit")
    rank_correlation: float = Field(description="Spearman's, disagreement with error")
    tpr: float | None = Field(
        description="share of the frames over tolerance that lie over the threshold; "
        "None without such frames"
    )
    ppv: float | None = Field(
        description="share of the frames over the threshold that are over tolerance; "
        "None without such frames"
    )
    tolerance: float = Field(description="on the error, in the property's unit")
    threshold: float = Field(description="on the disagreement, same unit")
    n: int = Field(description="frames in the fit")
    effective_n: float = Field(description="(sum w)^2 / sum w^2 of their weights")
    origin: str = Field("", description="where the frames of the fit came from")
    trusted: bool = Field(description="whether the fit can carry a decision")
    reason: str | None = Field(None, description="why it cannot, and what was done")

    def predicted_error(self, disagreement: np.ndarray) -> np.ndarray:
        """Error that a disagreement stands for, in the property's unit."""
        return disagreement / self.slope

    def widened(self) -> "Calibration":
        """
        Lower the threshold to what the interval's lower end asks for.

        The documented fallback of a fit that cannot be trusted: rather label a
        frame too many than accept a bad one.
        """
        lower = self.slope_interval[0]
        slope = lower if lower > 0 else 0.5 * self.slope
        note = f"{self.reason}; threshold lowered to the slope's lower bound"
        return self.model_copy(
            update={"threshold": slope * self.tolerance, "reason": note}
        )


def calibrate(
    disagreement: Mapping[str, np.ndarray],
    error: Mapping[str, np.ndarray],
    tolerance: Mapping[str, float],
    *,
    weights: np.ndarray | None = None,
    min_frames: float = 30,
    origin: str = "",
    seed: int = 0,
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
    weights
        (n,) inverse selection probabilities; None weighs all frames alike.
    min_frames
        Effective number of frames below which a fit is not trusted.
    origin
        Where the frames came from, for the record.
    seed
        Of the bootstrap.

    Returns
    -------
    dict[str, Calibration]
        Without the properties that have fewer than two usable frames.

    Notes
    -----
    Weighted least squares through the origin, slope = sum(w d e) / sum(w e^2); the
    threshold on the disagreement is slope * tolerance (AiiDA-TrainsPot paper,
    section II.1.6).

    Examples
    --------
    >>> import numpy as np
    >>> e = np.linspace(0.01, 0.2, 40)
    >>> fit = calibrate({"forces": 0.5 * e}, {"forces": e}, {"forces": 0.1})["forces"]
    >>> round(fit.slope, 3), round(fit.threshold, 3), fit.tpr, fit.trusted
    (0.5, 0.05, 1.0, True)
    """
    rng = np.random.default_rng(seed)
    fits = {}
    for name in PROPERTIES:
        if name not in tolerance or name not in error:
            continue
        d, e = np.asarray(disagreement[name]), np.asarray(error[name])
        w = np.ones(len(e)) if weights is None else np.asarray(weights, float)
        usable = np.isfinite(d) & np.isfinite(e)
        if usable.sum() < 2:  # noqa: PLR2004 - one point has no spread
            continue
        fits[name] = _fit(
            d[usable], e[usable], w[usable], tolerance[name], min_frames, rng
        ).model_copy(update={"origin": origin})
    return fits


def _fit(
    d: np.ndarray,
    e: np.ndarray,
    w: np.ndarray,
    tolerance: float,
    min_frames: float,
    rng: np.random.Generator,
) -> Calibration:
    slope = float(_slope(d, e, w))
    draws = rng.integers(len(d), size=(_N_BOOTSTRAP, len(d)))
    low, high = np.percentile(_slope(d[draws], e[draws], w[draws]), _INTERVAL)
    threshold = slope * tolerance
    effective_n = float(w.sum() ** 2 / (w**2).sum())
    reason = _distrust(d, e, slope, (low, high), effective_n, min_frames)
    bad, over = e > tolerance, d > threshold
    return Calibration(
        slope=slope,
        slope_interval=(low, high),
        r2=_r2(d, slope * e, w),
        rank_correlation=_spearman(d, e),
        tpr=_share(over, bad, w),
        ppv=_share(bad, over, w),
        tolerance=tolerance,
        threshold=threshold,
        n=len(d),
        effective_n=effective_n,
        trusted=reason is None,
        reason=reason,
    )


def _slope(d: np.ndarray, e: np.ndarray, w: np.ndarray) -> np.ndarray:
    norm = (w * e**2).sum(axis=-1)
    return (w * d * e).sum(axis=-1) / np.where(norm > 0, norm, np.nan)


def _r2(observed: np.ndarray, fitted: np.ndarray, w: np.ndarray) -> float:
    mean = np.average(observed, weights=w)
    total = (w * (observed - mean) ** 2).sum()
    return float(1 - (w * (observed - fitted) ** 2).sum() / total) if total else 0.0


def _spearman(d: np.ndarray, e: np.ndarray) -> float:
    if np.ptp(d) == 0 or np.ptp(e) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(d), rankdata(e))[0, 1])


def _share(hits: np.ndarray, among: np.ndarray, w: np.ndarray) -> float | None:
    """Weighted share of ``hits`` in ``among``: TPR and PPV (paper, eqs. 3 and 4)."""
    total = w[among].sum()
    return float(w[hits & among].sum() / total) if total > 0 else None


def _distrust(
    d: np.ndarray,
    e: np.ndarray,
    slope: float,
    interval: tuple[float, float],
    effective_n: float,
    min_frames: float,
) -> str | None:
    """Say why a fit cannot be trusted, or None."""
    if effective_n < min_frames:
        return f"too few frames: {effective_n:.1f} effective, {min_frames:g} needed"
    if np.ptp(d) == 0 or np.ptp(e) == 0:
        return "no spread: all frames disagree or err alike"
    if not slope > 0:
        return f"slope {slope:.3g} is not positive"
    if interval[1] - interval[0] > slope:
        return (
            f"slope {slope:.3g} is uncertain: interval "
            f"{interval[0]:.3g} to {interval[1]:.3g} is wider than itself"
        )
    return None
