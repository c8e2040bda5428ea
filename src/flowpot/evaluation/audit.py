"""What the committee accepts and what it flags, checked against labels."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, Field

from flowpot.dataset import Dataset
from flowpot.evaluation.binomial import (
    Interval,
    jeffreys,
    jeffreys_upper,
    weighted_share,
)
from flowpot.evaluation.evidence import match, remembered

ENOUGH = 30
"""Audited frames that can speak: fewer call on those of earlier iterations."""


class Audit(BaseModel):
    """Outcome of labelling frames that the committee had accepted, or flagged."""

    n: int = Field(0, description="frames that it had accepted, with a label")
    n_bad: int = Field(0, description="of them, over tolerance in any property")
    bad_share: float | None = Field(None, description="n_bad / n; None if n is 0")
    upper_limit: float = Field(
        1.0, description="95 % upper limit of the bad share (Jeffreys)"
    )
    accepted_error: dict[str, float] = Field(
        default_factory=dict, description="mean error of the accepted, per property"
    )
    n_flagged: int = Field(0, description="frames over threshold, with a label")
    ppv: float | None = Field(None, description="share of them over tolerance")
    ppv_interval: Interval | None = Field(None, description="95 %, Jeffreys")
    tpr: float | None = Field(
        None, description="share of the bad frames that had been over threshold"
    )
    tpr_interval: Interval | None = Field(None, description="95 %, Jeffreys")


def audit(
    error: Mapping[str, np.ndarray],
    tolerance: Mapping[str, float],
    *,
    accepted: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Audit:
    """
    Count the frames that were wrong, among the accepted and among the flagged.

    Parameters
    ----------
    error
        (n,) arrays per property, of the predictions on which the frames had been
        judged. NaN (a missing label) does not make a frame bad.
    tolerance
        Per property.
    accepted
        (n,) mask of the frames that were under all thresholds; None: all were.
    weights
        (n,) inverse selection probabilities, which the true positive rate needs: the
        accepted and the flagged are not drawn alike.

    Notes
    -----
    The limit is the 95 % quantile of Beta(k + 1/2, n - k + 1/2), Jeffreys' posterior
    (Brown, Cai and DasGupta, Stat. Sci. 16, 101, 2001). Without frames it is 1: what
    nobody looked at may all be wrong.
    """
    size = len(error["energy"])
    bad = np.zeros(size, dtype=bool)
    for name, limit in tolerance.items():
        bad |= np.nan_to_num(error[name], nan=0.0) > limit
    accepted = np.ones(size, dtype=bool) if accepted is None else accepted
    weights = np.ones(size) if weights is None else weights
    n, k = int(accepted.sum()), int((bad & accepted).sum())
    n_flagged, n_hits = size - n, int((bad & ~accepted).sum())
    both = n > 0 and n_flagged > 0
    tpr, tpr_interval = (
        weighted_share(~accepted, bad, weights) if both else (None, None)
    )
    return Audit(
        n=n,
        n_bad=k,
        bad_share=k / n if n else None,
        upper_limit=jeffreys_upper(k, n),
        accepted_error=_mean_errors(error, accepted, tolerance),
        n_flagged=n_flagged,
        ppv=n_hits / n_flagged if n_flagged else None,
        ppv_interval=jeffreys(n_hits, n_flagged) if n_flagged else None,
        tpr=tpr,
        tpr_interval=tpr_interval,
    )


def audit_earlier(
    predictions: Sequence[Dataset], labelled: Dataset, tolerance: Mapping[str, float]
) -> Audit:
    """
    Audit frames that were judged before and have been labelled since.

    Parameters
    ----------
    predictions
        Of each evaluation, oldest first, with the column ``accepted``. Earlier ones
        join in until enough accepted frames can speak.
    labelled
        All labelled frames.
    tolerance
        Per property.
    """
    parts, n_accepted = [], 0
    for judged in reversed(predictions):
        then, now = match(judged, labelled)
        if len(now):
            accepted = np.asarray(then.info["accepted"], dtype=bool)
            parts.append((remembered(then, now), accepted))
            n_accepted += int(accepted.sum())
        if n_accepted >= ENOUGH:
            break
    if not parts:
        return Audit()
    return audit(
        {
            name: np.concatenate([evidence.error[name] for evidence, _ in parts])
            for name in parts[0][0].error
        },
        tolerance,
        accepted=np.concatenate([accepted for _, accepted in parts]),
        weights=np.concatenate([evidence.weights for evidence, _ in parts]),
    )


def _mean_errors(
    error: Mapping[str, np.ndarray], rows: np.ndarray, names: Mapping[str, float]
) -> dict[str, float]:
    found = {name: error[name][rows] for name in names}
    return {
        name: float(np.nanmean(values))
        for name, values in found.items()
        if np.isfinite(values).any()
    }
