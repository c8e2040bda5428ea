"""The audit: frames that a committee accepted or flagged, against their labels."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, Field

from flowpot.evaluation.binomial import (
    Interval,
    clopper_pearson_upper,
    share_in_strata,
    share_of_population,
)

_MANY = 1e6  # frames that one stands for where their number is not known


class Audit(BaseModel):
    """Outcome of labelling frames that the committee had accepted, or flagged."""

    n: int = Field(
        0, description="accepted frames that were labelled, or whose label failed"
    )
    n_bad: int = Field(0, description="of them, over tolerance in any property")
    n_failed: int = Field(
        0,
        description="frames whose label failed; they count as bad",
    )
    bad_share: float | None = Field(None, description="n_bad / n; None if n is 0")
    upper_limit: float = Field(
        1.0, description="95 % upper limit of the bad share (Clopper and Pearson)"
    )
    accepted_error: dict[str, float] = Field(
        default_factory=dict, description="mean error of the accepted, per property"
    )
    n_flagged: int = Field(
        0, description="flagged frames that were labelled, or whose label failed"
    )
    ppv: float | None = Field(None, description="share of them that is bad")
    ppv_interval: Interval | None = Field(
        None, description="95 %, of the frames that the labelled ones stand for"
    )
    tpr: float | None = Field(None, description="share of the bad that was flagged")
    tpr_interval: Interval | None = Field(None, description="95 %, of the same frames")


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
        (n,) arrays per property, of the predictions by which the frames were judged.
        NaN in one property (a missing label) does not make a frame bad; a frame is bad
        that has no error in any property, or an infinite one.
    tolerance
        Acceptable error, per property.
    accepted
        (n,) mask of the frames that were not flagged; None: none was flagged.
    weights
        (n,) inverse selection probabilities, which the true positive rate needs: the
        accepted and the flagged are not drawn alike. Their sums are the numbers of
        frames that were accepted and flagged, of which the rates are; None: the frames
        are a few of any number.
    failed
        (n,) mask of frames whose label failed; None: no label failed.

    Notes
    -----
    The upper limit is that of Clopper and Pearson, Biometrika 26, 404 (1934), which
    holds at least as often as it promises. Without frames it is 1: all may be bad.
    """
    bad = over_tolerance(error, tolerance)
    size = len(bad)
    failed = np.zeros(size, dtype=bool) if failed is None else np.asarray(failed, bool)
    bad = bad | failed
    accepted = (
        np.ones(size, dtype=bool) if accepted is None else np.asarray(accepted, bool)
    )
    weights = np.full(size, _MANY) if weights is None else np.asarray(weights, float)
    n, k = int(accepted.sum()), int((bad & accepted).sum())
    n_flagged, n_hits = size - n, int((bad & ~accepted).sum())
    limit = clopper_pearson_upper(np.array(k), np.array(n)) if n else 1.0
    tpr, tpr_interval = _true_positive_rate(bad, accepted, weights)
    was_accepted = accepted & ~failed
    errors = {k: np.asarray(error[k])[was_accepted] for k in tolerance if k in error}
    return Audit(
        n=n,
        n_bad=k,
        n_failed=int(failed.sum()),
        bad_share=k / n if n else None,
        upper_limit=float(limit),
        accepted_error={
            name: float(np.nanmean(values))
            for name, values in errors.items()
            if np.isfinite(values).any()
        },
        n_flagged=n_flagged,
        ppv=n_hits / n_flagged if n_flagged else None,
        ppv_interval=(
            share_of_population(n_hits, n_flagged, weights[~accepted].sum())
            if n_flagged
            else None
        ),
        tpr=tpr,
        tpr_interval=tpr_interval,
    )


def over_tolerance(
    error: Mapping[str, np.ndarray], tolerance: Mapping[str, float]
) -> np.ndarray:
    """Return the mask (n,) of frames over tolerance in any property, or of no error."""
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
    flagged_bad, all_bad = weights[bad & ~accepted].sum(), weights[bad].sum()
    hits = np.array([(bad & rows).sum() for rows in strata])
    interval = share_in_strata(hits, among, sizes)
    return (float(flagged_bad / all_bad) if all_bad else None), interval
