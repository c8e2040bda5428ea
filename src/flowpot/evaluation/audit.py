"""What the committee accepts and what it flags, checked against labels."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, Field

from flowpot.evaluation.binomial import (
    Interval,
    clopper_pearson_upper,
    jeffreys,
    share_in_strata,
)


class Audit(BaseModel):
    """Outcome of labelling frames that the committee had accepted, or flagged."""

    n: int = Field(0, description="frames that it had accepted, with a label or a try")
    n_bad: int = Field(0, description="of them, over tolerance in any property")
    n_failed: int = Field(
        0, description="of the frames, labels that failed: they count as bad"
    )
    bad_share: float | None = Field(None, description="n_bad / n; None if n is 0")
    upper_limit: float = Field(
        1.0, description="95 % upper limit of the bad share (Clopper and Pearson)"
    )
    accepted_error: dict[str, float] = Field(
        default_factory=dict, description="mean error of the accepted, per property"
    )
    n_flagged: int = Field(0, description="flagged frames, with a label or a try")
    ppv: float | None = Field(None, description="share of them over tolerance")
    ppv_interval: Interval | None = Field(None, description="95 %, Jeffreys")
    tpr: float | None = Field(None, description="share of the bad that was flagged")
    tpr_interval: Interval | None = Field(None, description="95 %, two strata")


def audit(
    error: Mapping[str, np.ndarray],
    tolerance: Mapping[str, float],
    *,
    accepted: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    failed: np.ndarray | None = None,
) -> Audit:
    """
    Count the frames that were wrong, among the accepted and among the flagged.

    Parameters
    ----------
    error
        (n,) arrays per property, of the predictions on which the frames had been
        judged. NaN in one property (a missing label) does not make a frame bad; a
        frame without any error, or of infinite error, is.
    tolerance
        Per property.
    accepted
        (n,) mask of the frames that were not flagged; None: all were accepted.
    weights
        (n,) inverse selection probabilities, which the true positive rate needs: the
        accepted and the flagged are not drawn alike.
    failed
        (n,) mask of frames whose label failed; None: of none.

    Notes
    -----
    The upper limit is that of Clopper and Pearson, Biometrika 26, 404 (1934), which
    holds at least as often as it promises. Without frames it is 1: what nobody looked
    at may all be wrong.
    """
    bad = over_tolerance(error, tolerance)
    size = len(bad)
    failed = np.zeros(size, dtype=bool) if failed is None else np.asarray(failed, bool)
    bad = bad | failed
    accepted = (
        np.ones(size, dtype=bool) if accepted is None else np.asarray(accepted, bool)
    )
    weights = np.ones(size) if weights is None else np.asarray(weights, float)
    n, k = int(accepted.sum()), int((bad & accepted).sum())
    n_flagged, n_hits = size - n, int((bad & ~accepted).sum())
    limit = clopper_pearson_upper(np.array(k), np.array(n)) if n else 1.0
    tpr, tpr_interval = _true_positive_rate(bad, accepted, weights)
    return Audit(
        n=n,
        n_bad=k,
        n_failed=int(failed.sum()),
        bad_share=k / n if n else None,
        upper_limit=float(limit),
        accepted_error=_mean_errors(error, accepted & ~failed, tolerance),
        n_flagged=n_flagged,
        ppv=n_hits / n_flagged if n_flagged else None,
        ppv_interval=jeffreys(n_hits, n_flagged) if n_flagged else None,
        tpr=tpr,
        tpr_interval=tpr_interval,
    )


def over_tolerance(
    error: Mapping[str, np.ndarray], tolerance: Mapping[str, float]
) -> np.ndarray:
    """Mask of the frames that are over tolerance in any property, or know no error."""
    columns = {
        name: np.asarray(error[name], float) for name in tolerance if name in error
    }
    if not columns:
        return np.zeros(len(next(iter(error.values()), [])), dtype=bool)
    bad = np.asarray(np.isnan(list(columns.values())).all(axis=0))
    for name, values in columns.items():
        bad |= np.nan_to_num(values, nan=0.0, posinf=np.inf) > tolerance[name]
    return bad


def _true_positive_rate(
    bad: np.ndarray, accepted: np.ndarray, weights: np.ndarray
) -> tuple[float | None, Interval | None]:
    """Return the share of the bad that was flagged, and its interval."""
    strata = (~accepted, accepted)
    among = np.array([rows.sum() for rows in strata])
    sizes = np.array([weights[rows].sum() for rows in strata])
    if not (among > 0).all() or not (sizes > 0).all():
        return None, None
    found = weights[bad & ~accepted].sum()
    everything = weights[bad].sum()
    hits = np.array([(bad & rows).sum() for rows in strata])
    interval = share_in_strata(hits, among, sizes)
    return (float(found / everything) if everything else None), interval


def _mean_errors(
    error: Mapping[str, np.ndarray], rows: np.ndarray, names: Mapping[str, float]
) -> dict[str, float]:
    found = {name: error[name][rows] for name in names if name in error}
    return {
        name: float(np.nanmean(values))
        for name, values in found.items()
        if np.isfinite(values).any()
    }
