"""The evaluation stage without jobflow: calibrate, judge, choose, audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.closeness import accepted_distance
from flowpot.dataset.labels import DECIDING
from flowpot.dataset.sets import audit_rounds, is_audit
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.binomial import frames_needed
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.checks import Checked, earlier_sample, same_committee
from flowpot.evaluation.choice import CLOSING, Judged, draw_closing, draw_pilot
from flowpot.evaluation.covariates import Evidence
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import excess, is_known
from flowpot.evaluation.diversity import describe
from flowpot.evaluation.evidence import (
    ALL_LABELLED,
    Witnesses,
    all_labelled,
    gather,
)
from flowpot.evaluation.fitting import calibrate
from flowpot.evaluation.fresh import FreshError, fresh_errors
from flowpot.evaluation.prediction import load_committee
from flowpot.evaluation.sanity import far_apart
from flowpot.evaluation.selection import Selection, select
from flowpot.evaluation.streaming import PerFrame, spread_over
from flowpot.evaluation.uncertainty import Uncertainty
from flowpot.evaluation.uncertainty.family import beside_spread
from flowpot.evaluation.warning_signs import warning_signs
from flowpot.potentials import Potential
from flowpot.randomness import derive_rng

_HOPELESS = 0.5  # of the accepted share of bad frames: an audit would hardly pass
_FEW = 1 / 3  # of the frames that make a calibration trusted: fewer ask for a pilot


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
        Of labelled frames that this committee had judged in this very iteration: its
        closing audit; before that its pilot.
    fresh_error
        Error on fresh frames, as predicted before they were learned, per property.
    selection
        Indices into the explored frames.
    chosen
        The frames to label: selected and audited ones; or, where ``n_pilot`` is not 0,
        those to be labelled and judged again in this iteration. The committee mean as
        their labels; columns ``selection``, ``selection_probability``, ``accepted``,
        ``split``, ``audit_round``, ``disagreement_*`` and other uncertainties.
    predictions
        The same.
    n_explored, n_insane, n_known, n_pilot, n_closing
        Frames judged; of them without finite predictions or with atoms too close;
        labelled already; chosen to be labelled before anything is selected; of these,
        for the closing audit.
    warnings
        What no selection mends, with its cause.
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
    n_closing: int = 0
    fresh_error: dict[str, FreshError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def judge(
    committee: Any,
    labelled: Dataset,
    explored: Dataset,
    criteria: Criteria,
    *,
    predictions: Sequence[Dataset] = (),
    previous: Mapping[str, Calibration] | None = None,  # noqa: ARG001 - see the Maker
    max_labels: int | None = None,
    seed: int = 0,
    iteration: int | None = None,
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
    others = beside_spread(committee, members, labelled)
    seen = spread_over(members, explored, uncertainties=others).disagreement
    witnesses = _witnesses(members, labelled, predictions, criteria, others)
    evidence = witnesses.best(criteria.min_frames)
    fits = _calibrated(evidence, criteria, seen)
    deciding = {name: fit for name, fit in fits.items() if fit.decides}
    sane = far_apart(explored, accepted_distance(criteria.rules.min_distance))
    known = np.isin(explored.fingerprints, labelled.fingerprints)
    number = iteration
    if number is None:
        number = _next_round(members, labelled, explored, predictions)
    checked = Checked.of(members, labelled, explored, predictions, number)
    judged = Judged(
        frames=explored,
        members=members,
        uncertainty=seen,
        accepted=excess(seen, deciding) <= 1,
        free=sane & ~known & ~checked.tried(explored) & _first_of_copies(explored),
        round=number,
    )
    left = None if max_labels is None else max(max_labels - len(labelled), 0)
    audited = checked.audit(criteria.tolerance, judged)
    first = _labels_first(judged, witnesses, checked, fits, criteria, left, seed)
    budget = 0 if len(first) else left
    selection = _select(judged, deciding, labelled, budget, criteria, seed)
    chosen = first if len(first) else judged.chosen(selection)
    kinds = np.asarray(chosen.info.get("selection", []), dtype=object)
    sample = checked.sample(judged) or earlier_sample(predictions, labelled)
    return Judgement(
        calibration=fits,
        evidence=evidence,
        audit=audited,
        selection=selection,
        chosen=chosen,
        predictions=chosen,
        n_explored=len(explored),
        n_insane=int((~is_known(seen) | ~sane).sum()),
        n_known=int((known & sane).sum()),
        n_pilot=len(first),
        n_closing=int((kinds == CLOSING).sum()),
        fresh_error=(
            fresh_errors(sample, DECIDING, criteria.tolerance) if sample else {}
        ),
        warnings=warning_signs(committee, seen, fits, criteria),
    )


def _witnesses(
    members: Sequence[Potential],
    labelled: Dataset,
    predictions: Sequence[Dataset],
    criteria: Criteria,
    others: Sequence[Uncertainty],
) -> Witnesses:
    """Find the frames to calibrate on, of the kind that was asked for."""
    if criteria.evidence == ALL_LABELLED:
        return Witnesses(all_labelled(members, labelled, others))
    return gather(members, labelled, predictions, others)


def _calibrated(
    evidence: Evidence, criteria: Criteria, seen: PerFrame
) -> dict[str, Calibration]:
    """
    Calibrate each property, and name those that decide.

    A property takes part in the selection unless enough frames show that nothing ranks
    its errors, or ``decide_by`` leaves it out. When none is left, all take part.
    """
    # What is not measured any more predicts nothing.
    measured = {k: v for k, v in evidence.disagreement.items() if k in seen}
    fits = calibrate(
        measured,
        evidence.error,
        criteria.tolerance,
        rule=criteria.rule,
        target=criteria.target,
        weights=evidence.weights,
        worth=evidence.worth,
        judged=seen,
        trust=criteria.trust,
    )
    ranked = [
        name
        for name, fit in fits.items()
        if fit.rank_correlation >= criteria.min_rank_correlation
        or fit.effective_n < criteria.min_frames - 1e-6
    ]
    names = criteria.decide_by or ranked or list(fits)
    return {
        name: fit.model_copy(
            update={"decides": name in names, "origin": evidence.origin}
        )
        for name, fit in fits.items()
    }


def _labels_first(
    judged: Judged,
    witnesses: Witnesses,
    checked: Checked,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
    left: int | None,
    seed: int,
) -> Dataset:
    """
    Choose what is to be labelled before anything is selected, if anything is.

    A pilot, where too few explored frames are known; and the closing audit, where the
    iteration would end as converged if what the committee accepts is good. There is
    one of each in an iteration. No closing audit is sent where the error model already
    expects more bad frames than it could pass with: asked again and again, it would
    pass some day.
    """
    nothing = judged.frames[:0]
    if checked.n_tried(CLOSING):
        return nothing
    few = witnesses.n_explored < _FEW * criteria.min_frames
    if few and not checked.n_tried():
        rng = derive_rng(seed, "pilot")
        pilot = draw_pilot(judged, criteria.pilot_labels, left, rng)
        if len(pilot):
            return pilot
    share_over = float((~judged.accepted).mean())
    if criteria.closing_audit == 0 or share_over > criteria.max_over_share:
        return nothing
    expected = _expected_bad(judged, fits)
    if expected > _HOPELESS * criteria.max_bad_share:
        return nothing
    size = max(criteria.closing_audit, frames_needed(0, criteria.max_bad_share))
    return draw_closing(judged, size, left, derive_rng(seed, "closing"))


def _expected_bad(judged: Judged, fits: Mapping[str, Calibration]) -> float:
    """Return the share of bad frames that the error models expect of the accepted."""
    chances = [
        fit.chance_over(judged.uncertainty, name)[judged.accepted]
        for name, fit in fits.items()
    ]
    return float(np.max(chances, axis=0).mean()) if chances else 1.0


def _select(
    judged: Judged,
    deciding: Mapping[str, Calibration],
    labelled: Dataset,
    budget: int | None,
    criteria: Criteria,
    seed: int,
) -> Selection:
    """Choose among the free frames, as many as the budget allows."""
    rules = criteria.rules
    diverse = rules.method == "diverse" and budget != 0
    return select(
        judged.uncertainty,
        deciding,
        rng=derive_rng(seed, "selection"),
        rules=rules,
        candidates=judged.free,
        budget=budget,
        descriptors=(
            describe(judged.members, judged.frames, labelled) if diverse else None
        ),
    )


def _next_round(
    members: Sequence[Potential],
    labelled: Dataset,
    explored: Dataset,
    predictions: Sequence[Dataset],
) -> int:
    """
    Count up to the audit of an evaluation that knows no iteration.

    If this committee has had frames of the explored ones labelled, it is still the
    same iteration.
    """
    audits = labelled[is_audit(labelled)]
    rounds = audit_rounds(audits)
    last = int(rounds.max(initial=0))
    present = audits[
        (rounds == last) & np.isin(audits.fingerprints, explored.fingerprints)
    ]
    goes_on = len(present) > 0 and same_committee(members, present, predictions)
    return last if goes_on else last + 1


def _first_of_copies(frames: Dataset) -> np.ndarray:
    """Mask that keeps one of the frames that are the same."""
    mask = np.zeros(len(frames), dtype=bool)
    mask[np.unique(frames.fingerprints, return_index=True)[1]] = True
    return mask
