"""The evaluation stage without jobflow: calibrate, judge, choose, audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.closeness import accepted_distance
from flowpot.evaluation.audit import Audit, audit_earlier
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.choice import Judged, chosen_frames, draw_pilot, pilot_frames
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.diversity import describe
from flowpot.evaluation.evidence import (
    ALL_LABELLED,
    Evidence,
    Witnesses,
    all_labelled,
    gather,
)
from flowpot.evaluation.fallback import calibrate_with_care
from flowpot.evaluation.prediction import load_committee
from flowpot.evaluation.sanity import far_apart
from flowpot.evaluation.selection import (
    Selection,
    SelectionRules,
    over_threshold,
    select,
)
from flowpot.evaluation.streaming import spread_over
from flowpot.potentials import Potential
from flowpot.randomness import derive_rng


@dataclass(frozen=True)
class Judgement:
    """
    Outcome of :func:`judge`.

    Attributes
    ----------
    calibration
        Per property.
    evidence
        What was calibrated on.
    audit
        Of the frames judged in earlier iterations, and of this one's pilot.
    selection
        Indices into the explored frames.
    chosen
        The frames to label: selected and audited ones, or a pilot. The committee mean
        as their labels; columns ``selection``, ``selection_probability``,
        ``accepted``, ``split`` and ``disagreement_*``.
    predictions
        These, and this iteration's pilot frames, which are labelled.
    n_explored, n_insane, n_known, n_pilot
        Frames judged; of them without finite predictions or with atoms too close;
        labelled already; chosen as a pilot.
    """

    calibration: dict[str, Calibration]
    evidence: Evidence
    audit: Audit
    selection: Selection
    chosen: Dataset
    predictions: Dataset
    n_explored: int
    n_insane: int
    n_known: int
    n_pilot: int


def judge(
    committee: Any,
    labelled: Dataset,
    explored: Dataset,
    criteria: Criteria,
    *,
    predictions: Sequence[Dataset] = (),
    previous: Mapping[str, Calibration] | None = None,
    max_labels: int | None = None,
    seed: int = 0,
) -> Judgement:
    """
    Calibrate a committee on labelled frames and judge explored ones with it.

    Parameters are those of :meth:`flowpot.EvaluationMaker.make`, loaded, and the
    maker's fields.

    Raises
    ------
    ValueError
        If nothing was explored, or nothing can be calibrated on.
    """
    if len(explored) == 0:
        raise ValueError("no explored frame to judge: every MD run failed or was empty")
    members = load_committee(committee)
    spread = spread_over(members, explored).disagreement
    witnesses = _witnesses(members, labelled, predictions, criteria)
    evidence = witnesses.best(criteria.min_frames)
    fits = calibrate_with_care(
        evidence,
        criteria,
        judged=spread,
        pooled=witnesses.pooled(),
        previous=previous,
    )
    deciding = {name: fit for name, fit in fits.items() if fit.decides}
    accepted = ~over_threshold(spread, deciding)
    judged = Judged(explored, members, spread, accepted)
    sane = far_apart(explored, accepted_distance(criteria.rules.min_distance))
    known = np.isin(explored.fingerprints, labelled.fingerprints)
    free, left = sane & ~known & _first_of_copies(explored), None
    if max_labels is not None:
        left = max(max_labels - len(labelled), 0)
    pilot = np.empty(0, dtype=int)
    if witnesses.n_unseen < criteria.min_frames:
        rng = derive_rng(seed, "pilot")
        pilot = draw_pilot(judged, free, criteria.pilot_labels, left, rng)
    budget = 0 if len(pilot) else left
    selection = _select(judged, deciding, labelled, free, budget, criteria.rules, seed)
    if len(pilot):
        chosen = now = pilot_frames(judged, pilot, free)
    else:
        chosen, now = chosen_frames(judged, selection, labelled, free)
    return Judgement(
        calibration=fits,
        evidence=evidence,
        audit=audit_earlier([*predictions, now], labelled, criteria.tolerance),
        selection=selection,
        chosen=chosen,
        predictions=now,
        n_explored=len(explored),
        n_insane=selection.n_insane + int((~sane).sum()),
        n_known=int((known & sane).sum()),
        n_pilot=len(pilot),
    )


def _witnesses(
    members: Sequence[Potential],
    labelled: Dataset,
    predictions: Sequence[Dataset],
    criteria: Criteria,
) -> Witnesses:
    """Find the frames to calibrate on, of the kind that was asked for."""
    if criteria.evidence == ALL_LABELLED:
        return Witnesses(all_labelled(members, labelled))
    return gather(members, labelled, predictions)


def _select(
    judged: Judged,
    deciding: Mapping[str, Calibration],
    labelled: Dataset,
    free: np.ndarray,
    budget: int | None,
    rules: SelectionRules,
    seed: int,
) -> Selection:
    """Choose among the free frames, as many as the budget allows."""
    diverse = rules.method == "diverse" and budget != 0
    return select(
        judged.disagreement,
        deciding,
        rng=derive_rng(seed, "selection"),
        rules=rules,
        candidates=free,
        budget=budget,
        descriptors=(
            describe(judged.members, judged.frames, labelled) if diverse else None
        ),
    )


def _first_of_copies(frames: Dataset) -> np.ndarray:
    """Mask that keeps one of the frames that are the same."""
    mask = np.zeros(len(frames), dtype=bool)
    mask[np.unique(frames.fingerprints, return_index=True)[1]] = True
    return mask
