"""The evaluation stage without jobflow: calibrate, judge, choose, audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.closeness import accepted_distance
from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.binomial import closing_size, second_look
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.checks import Checked, earlier_sample, next_round
from flowpot.evaluation.choice import (
    CLOSING,
    Judged,
    draw_closing,
    draw_pilot,
    far_apart,
)
from flowpot.evaluation.covariates import Evidence
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import excess, is_known
from flowpot.evaluation.diversity import describe
from flowpot.evaluation.evidence import (
    ALL_LABELLED,
    CalibrationPool,
    all_labelled,
    gather,
)
from flowpot.evaluation.fitting import atom_models, calibrate
from flowpot.evaluation.fresh import FreshError, fresh_errors
from flowpot.evaluation.prediction import load_committee
from flowpot.evaluation.selection import Selection, select
from flowpot.evaluation.streaming import spread_over
from flowpot.evaluation.uncertainty import StoredUncertainty, Uncertainty
from flowpot.evaluation.uncertainty.base import PerFrame
from flowpot.evaluation.uncertainty.registry import stored_with, uncertainties_of
from flowpot.evaluation.warning_signs import warning_signs
from flowpot.potentials import Potential
from flowpot.randomness import derive_rng

_HOPELESS = 0.8  # of max_bad_share: an audit would hardly pass with more bad frames
_FEW = 1 / 3  # of min_frames: with fewer explored ones a pilot is drawn


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
        Of frames that were labelled after this committee had judged them: those of its
        closing audit; before that those of its pilot.
    fresh_error
        Error on fresh frames, as predicted before they were learned, per property.
    selection
        Indices into the explored frames.
    chosen
        The frames to label: selected and audited ones; or, where ``n_pilot`` is not 0,
        those to be labelled and judged again in this iteration. They have the committee
        mean as labels, and columns ``selection``, ``selection_probability``,
        ``accepted``, ``split``, ``audit_round``, ``disagreement_*`` and further
        uncertainties.
    predictions
        The same.
    n_explored
        Frames judged.
    n_insane
        Unphysical frames: without finite predictions, or with atoms too close.
    n_known
        Explored frames that are labelled already.
    n_pilot
        Frames chosen to be labelled before anything is selected.
    n_closing
        Of these, frames for the closing audit.
    warnings
        Problems that no selection of frames solves, with their causes.
    uncertainties
        Those that were fitted here, which the committee's documents do not hold.
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
    uncertainties: list[StoredUncertainty] = field(default_factory=list)


def judge(
    committee: Any,
    labelled: Dataset,
    explored: Dataset,
    criteria: Criteria,
    *,
    predictions: Sequence[Dataset] = (),
    previous: Mapping[str, Calibration] | None = None,  # noqa: ARG001
    max_labels: int | None = None,
    seed: int = 0,
    iteration: int | None = None,
) -> Judgement:
    """
    Calibrate a committee on labelled frames and judge explored frames with it.

    Parameters
    ----------
    committee
        See :func:`flowpot.evaluation.load_committee`.
    labelled, explored
        All labelled frames, and the frames to judge.
    criteria
        How the committee is calibrated and frames are chosen.
    predictions
        Of earlier evaluations, oldest first: their :attr:`Judgement.predictions`.
    previous
        Without effect.
    max_labels
        Budget: labelled and chosen frames together never exceed it.
    seed
        Seed of the random draws.
    iteration
        Number of the iteration; None: it is told from the frames.

    Raises
    ------
    ValueError
        If nothing was explored, or there is nothing to calibrate on.
    """
    if len(explored) == 0:
        raise ValueError("no explored frame to judge: every MD run failed or was empty")
    members = load_committee(committee)
    stored = stored_with(committee)
    others = uncertainties_of(members, labelled, stored, criteria.uncertainties)
    seen = spread_over(members, explored, uncertainties=others).disagreement
    pool = _calibration_pool(members, labelled, predictions, criteria, others)
    evidence = pool.best(criteria.min_frames)
    if iteration is None:
        iteration = next_round(members, labelled, explored, predictions)
    checked = Checked.of(members, labelled, explored, predictions, iteration)
    fits = _calibrated(evidence, criteria, seen, checked.error_among(explored))
    deciding = {name: fit for name, fit in fits.items() if fit.decides}
    sane = far_apart(explored, accepted_distance(criteria.rules.min_distance))
    known = np.isin(explored.fingerprints, labelled.fingerprints)
    judged = Judged(
        frames=explored,
        members=members,
        uncertainty=seen,
        accepted=excess(seen, deciding) <= 1,
        free=sane & ~known & ~checked.tried(explored) & _first_of_copies(explored),
        round=iteration,
    )
    left = None if max_labels is None else max(max_labels - len(labelled), 0)
    audited = checked.audit(criteria.tolerance, judged)
    first = _labels_first(judged, pool, checked, audited, fits, criteria, left, seed)
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
        uncertainties=_newly_fitted(others, stored),
    )


def _newly_fitted(
    used: Sequence[Uncertainty], stored: Sequence[Uncertainty]
) -> list[StoredUncertainty]:
    """Return the uncertainties that the committee did not bring, to be stored."""
    return [
        StoredUncertainty.of(uncertainty)
        for uncertainty in used
        if not any(uncertainty is known for known in stored)
    ]


def _calibration_pool(
    members: Sequence[Potential],
    labelled: Dataset,
    predictions: Sequence[Dataset],
    criteria: Criteria,
    others: Sequence[Uncertainty],
) -> CalibrationPool:
    """Find the frames to calibrate on, of the kind that the criteria name."""
    if criteria.evidence == ALL_LABELLED:
        return CalibrationPool(all_labelled(members, labelled, others))
    return gather(members, labelled, predictions, others)


def _calibrated(
    evidence: Evidence, criteria: Criteria, seen: PerFrame, known: PerFrame
) -> dict[str, Calibration]:
    """
    Calibrate each property, and say which of them decide.

    A property decides unless enough frames show that no uncertainty ranks its errors,
    or ``decide_by`` leaves it out. Where none is left, all decide.
    """
    # Uncertainties of earlier committees that are not measured now predict nothing.
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
        known=known,
    )
    if "forces" in fits:
        fits["forces"] = fits["forces"].model_copy(update=atom_models(evidence))
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
    pool: CalibrationPool,
    checked: Checked,
    audited: Audit,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
    left: int | None,
    seed: int,
) -> Dataset:
    """
    Choose frames that are to be labelled before anything is selected.

    They are a pilot, where too few explored frames are labelled, or a closing audit,
    where the campaign would end as converged if the frames that the committee accepts
    are good. There is at most one of each in an iteration, and a second look where one
    frame of the closing audit was bad. There is no closing audit where the error model
    expects more bad frames than it could pass with: repeated again and again, it would
    pass some day.
    """
    nothing = judged.frames[:0]
    few = pool.n_explored < _FEW * criteria.min_frames
    if few and not checked.n_tried():
        rng = derive_rng(seed, "pilot")
        pilot = draw_pilot(judged, criteria.pilot_labels, left, rng)
        if len(pilot):
            return pilot
    share_over = float((~judged.accepted).mean())
    if criteria.closing_audit == 0 or share_over > criteria.max_over_share:
        return nothing
    size = closing_size(criteria.closing_audit, criteria.max_bad_share)
    if checked.n_tried(CLOSING):
        if (audited.n, audited.n_bad) != (size, 1):
            return nothing
        more = second_look(size, criteria.max_bad_share)
        return draw_closing(judged, more, left, derive_rng(seed, "second look"))
    chances = [
        fit.chance_over(judged.uncertainty, name)[judged.accepted]
        for name, fit in fits.items()
    ]
    expected = float(np.max(chances, axis=0).mean()) if chances else 1.0
    if expected > _HOPELESS * criteria.max_bad_share:
        return nothing
    return draw_closing(judged, size, left, derive_rng(seed, "closing"))


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


def _first_of_copies(frames: Dataset) -> np.ndarray:
    """Return the mask (n,) that keeps one of the frames that are the same."""
    mask = np.zeros(len(frames), dtype=bool)
    mask[np.unique(frames.fingerprints, return_index=True)[1]] = True
    return mask
