"""Frames that are to be labelled before anything is selected."""

from collections.abc import Mapping

from flowpot.dataset import Dataset
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.binomial import closing_size, second_look
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.checks import Checked
from flowpot.evaluation.choice import CLOSING, Judged, draw_closing, draw_pilot
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import worst_chance
from flowpot.evaluation.pool import CalibrationPool
from flowpot.randomness import derive_rng

_FEW = 1 / 3  # of min_frames: with fewer explored ones a pilot is drawn


def labels_first(
    judged: Judged,
    pool: CalibrationPool,
    checked: Checked,
    audited: Audit,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
    left: int | None,
    seed: int,
) -> tuple[Dataset, list[str]]:
    """
    Choose a pilot, or a closing audit.

    A pilot is drawn where too few explored frames are labelled that have a property of
    those judged, and all uncertainties that predict its errors. A closing audit is
    drawn where the campaign would end as converged if the frames that the committee
    accepts are good. There is at most one of each in an iteration, and a second look
    where one frame of the closing audit was bad. There is no closing audit where the
    error model expects more bad frames than it could pass with: repeated again and
    again, it would pass some day.

    Parameters
    ----------
    judged
        The explored frames.
    pool
        The labelled frames that may be calibrated on.
    checked, audited
        Frames of this iteration that were labelled first, and what they showed.
    fits
        The calibrations, per property.
    criteria
        Those of the evaluation.
    left
        Number of frames that may be labelled; None for no limit.
    seed
        Seed of the random draws.

    Returns
    -------
    tuple
        The frames, none where nothing has to be labelled first; and warnings, one where
        a closing audit is due and cannot be drawn.
    """
    n_alike = pool.n_like(
        judged.uncertainty, criteria.tolerance, n_drawn=criteria.pilot_labels
    )
    if n_alike < _FEW * criteria.min_frames and not checked.n_tried():
        rng = derive_rng(seed, "pilot")
        pilot = draw_pilot(judged, criteria.pilot_labels, left, rng)
        if len(pilot):
            return pilot, []
    is_second = checked.n_tried(CLOSING) > 0
    size = _closing_due(judged, checked, audited, fits, criteria)
    if size == 0:
        return judged.frames[:0], []
    rng = derive_rng(seed, "second look" if is_second else "closing")
    closing = draw_closing(judged, size, left, rng)
    if len(closing):
        return closing, []
    what = "second look of the closing audit" if is_second else "closing audit"
    return closing, [_not_drawn(what, size, len(judged.accepted_candidates), left)]


def _closing_due(
    judged: Judged,
    checked: Checked,
    audited: Audit,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
) -> int:
    """Return how many frames a closing audit, or its second look, needs; 0 for none."""
    share_over = float((~judged.accepted).mean())
    if criteria.closing_audit == 0 or share_over > criteria.max_over_share:
        return 0
    size = closing_size(criteria.closing_audit, criteria.max_bad_share)
    if checked.n_tried(CLOSING):
        is_undecided = (audited.n, audited.n_bad) == (size, 1)
        return second_look(size, criteria.max_bad_share) if is_undecided else 0
    if not fits:
        return 0
    expected = worst_chance(judged.uncertainty, fits)[judged.accepted].mean()
    return size if expected <= criteria.expected_share else 0


def _not_drawn(what: str, size: int, n_free: int, left: int | None) -> str:
    """Say why a closing audit that is due cannot be drawn, and what to do."""
    if n_free < size:
        return (
            f"the {what} needs {size} accepted frames and {n_free} can be drawn: "
            "without it the campaign does not end as converged; explore more frames "
            "in an iteration"
        )
    return (
        f"the {what} needs {size} labels and the budget leaves {left}: without it the "
        "campaign does not end as converged; raise max_labels"
    )
