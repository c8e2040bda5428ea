"""The audit: what was accepted and what was flagged, against labels."""

import numpy as np
import pytest

from flowpot.evaluation import audit
from flowpot.evaluation.audit import audit_earlier
from flowpot.evaluation.binomial import jeffreys

TOLERANCE = {"energy": 0.1, "forces": 0.1}


def errors(*forces):
    forces = np.concatenate(forces)
    return {"energy": np.zeros(len(forces)), "forces": forces}


def test_accepted_frames_are_counted_and_bounded():
    result = audit(errors(np.full(3, 0.2), np.full(27, 0.05)), TOLERANCE)
    assert (result.n, result.n_bad) == (30, 3)
    assert 0.1 < result.upper_limit < 0.25
    assert result.accepted_error["forces"] == pytest.approx(0.065)
    assert result.tpr is None  # nothing flagged was looked at
    clean = audit(errors(np.zeros(30)), TOLERANCE)
    assert clean.upper_limit < 0.07  # Jeffreys, n = 30, k = 0: 0.062
    assert audit(errors([]), TOLERANCE).upper_limit == 1


def test_rates_weigh_what_was_drawn_by_what_it_stands_for():
    """Of 100 flagged 20 are labelled, 16 bad; of 400 accepted 40, 4 bad."""
    flagged = np.repeat([0.2, 0.05], [16, 4])
    accepted = np.repeat([0.2, 0.05], [4, 36])
    result = audit(
        errors(flagged, accepted),
        TOLERANCE,
        accepted=np.repeat([False, True], [20, 40]),
        weights=np.repeat([100 / 20, 400 / 40], [20, 40]),
    )
    assert (result.n, result.n_bad, result.n_flagged) == (40, 4, 20)
    assert result.ppv == pytest.approx(0.8)
    assert result.ppv_interval == pytest.approx(jeffreys(16, 20))
    assert result.tpr == pytest.approx(16 * 5 / (16 * 5 + 4 * 10))
    low, high = result.tpr_interval
    assert low < result.tpr < high


def test_missing_labels_are_no_errors():
    found = audit(errors([0.05, 0.05]) | {"energy": np.array([np.nan, 0.2])}, TOLERANCE)
    assert found.n_bad == 1


def judged(frames, n_accepted, error=0.0):
    """Predictions of some labelled frames: wrong by so much, the first accepted."""
    n = len(frames)
    columns = {f"disagreement_{name}": np.ones(n) for name in (*TOLERANCE, "stress")}
    return frames.with_labels(forces=frames.forces + error).with_info(
        **columns,
        selection=np.full(n, "audit", object),
        selection_probability=np.full(n, 0.5),
        accepted=np.arange(n) < n_accepted,
    )


def test_audits_of_earlier_iterations_join_until_there_are_enough(make_frames, rng):
    frames = make_frames([2] * 90, rng)
    shards = [frames[:40], frames[40:60], frames[60:85]]
    past = [judged(shards[0], 40, error=0.5)]
    past += [judged(shards[1], 20), judged(shards[2], 20)]
    recent = audit_earlier(past, frames, TOLERANCE)
    assert (recent.n, recent.n_bad, recent.n_flagged) == (40, 0, 5)
    older = audit_earlier(past[:2], frames, TOLERANCE)
    assert (older.n, older.n_bad) == (60, 40)
    unlabelled = audit_earlier(past[:1], frames[40:], TOLERANCE)
    assert unlabelled.n == 0
