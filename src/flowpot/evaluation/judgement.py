"""The evaluation stage without jobflow: calibrate, judge, choose, audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.closeness import accepted_distance
from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.checks import Checked, earlier_sample, next_round
from flowpot.evaluation.choice import CLOSING, Judged, far_apart
from flowpot.evaluation.covariates import Evidence
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import (
    CHANCE,
    TARGETS,
    chance_to_leave,
    excess,
    worst_chance,
)
from flowpot.evaluation.diversity import describe
from flowpot.evaluation.evidence import (
    ALL_LABELLED,
    all_labelled,
    gather,
)
from flowpot.evaluation.first_labels import labels_first
from flowpot.evaluation.fitting import atom_models, calibrate
from flowpot.evaluation.fresh import FreshError, fresh_errors
from flowpot.evaluation.known import is_known
from flowpot.evaluation.pool import CalibrationPool
from flowpot.evaluation.prediction import load_committee
from flowpot.evaluation.selection import Selection, select
from flowpot.evaluation.streaming import spread_over
from flowpot.evaluation.uncertainty import StoredUncertainty, Uncertainty
from flowpot.evaluation.uncertainty.base import PerFrame
from flowpot.evaluation.uncertainty.registry import stored_with, uncertainties_of
from flowpot.evaluation.upper_bound import beyond_bound
from flowpot.evaluation.warning_signs import warning_signs
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
        Of frames that were labelled after this committee had judged them: those of its
        closing audit; before that those of its pilot, to which the flags are fitted
        too. See :class:`flowpot.evaluation.Audit`.
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
    n_copies
        Further copies of an explored frame, physical and not labelled: only the first
        may be chosen.
    n_pilot
        Frames chosen to be labelled before anything is selected.
    n_closing
        Of these, frames for the closing audit.
    flagged_from
        Chance from which on frames were flagged for the selection, where that is less
        than the calibrations': see :class:`flowpot.EvaluationMaker`, ``target``.
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
    n_copies: int = 0
    fresh_error: dict[str, FreshError] = field(default_factory=dict)
    flagged_from: float | None = None
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
    evidence = pool.best(criteria.min_frames, seen)
    if iteration is None:
        iteration = next_round(members, labelled, explored, predictions)
    checked = Checked.of(members, labelled, explored, predictions, iteration)
    fits = _calibrated(evidence, criteria, seen, checked.error_among(explored))
    deciding = {name: fit for name, fit in fits.items() if fit.decides}
    sane = far_apart(explored, accepted_distance(criteria.rules.min_distance))
    known = np.isin(explored.fingerprints, labelled.fingerprints)
    first_seen = _first_of_copies(explored)
    free = sane & ~known & ~checked.tried(explored) & first_seen
    accepted = excess(seen, deciding) <= 1
    wrecked = ~accepted & beyond_bound(seen, deciding, criteria.rules.upper_factor)
    judged = Judged(explored, members, seen, accepted, free, wrecked, iteration)
    left = None if max_labels is None else max(max_labels - len(labelled), 0)
    audited = checked.audit(criteria.tolerance, judged)
    sample = checked.sample(judged) or earlier_sample(predictions, labelled)
    first, lacks_closing = labels_first(
        judged, pool, checked, audited, fits, criteria, left, seed
    )
    budget = 0 if len(first) else left
    is_settled = len(first) > 0 or audited.upper_limit <= criteria.max_bad_share
    flagged_from = None if is_settled else _lower_chance(judged, fits, criteria)
    if flagged_from is not None:
        deciding = _flagging_from(flagged_from, fits, criteria)
        judged = replace(judged, accepted=excess(seen, deciding) <= 1)
    selection = _select(judged, deciding, labelled, budget, criteria, seed)
    chosen = first if len(first) else judged.chosen(selection)
    kinds = np.asarray(chosen.info.get("selection", []), dtype=object)
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
        n_copies=int((is_known(seen) & sane & ~known & ~first_seen).sum()),
        fresh_error=(
            fresh_errors(sample, DECIDING, criteria.tolerance) if sample else {}
        ),
        flagged_from=flagged_from,
        warnings=[*warning_signs(committee, seen, fits, criteria), *lacks_closing],
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
    fits = calibrate(
        evidence.disagreement,
        evidence.error,
        criteria.tolerance,
        rule=criteria.rule,
        target=criteria.target,
        weights=evidence.weights,
        worth=evidence.worths,
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
            update={
                "decides": name in names,
                "origin": evidence.used_for(name).origin,
            }
        )
        for name, fit in fits.items()
    }


def _lower_chance(
    judged: Judged, fits: Mapping[str, Calibration], criteria: Criteria
) -> float | None:
    """
    Return the chance from which on frames are flagged, where the usual one is too high.

    Where every frame has a chance of 20 %, none is flagged by one of 35 %, and no audit
    passes. Properties whose errors no uncertainty ranks count, too: then that many
    frames are labelled, whichever they are. None where the usual chance leaves few
    enough bad frames among the accepted, or the user has set it.
    """
    named = _of(fits, criteria)
    if criteria.rule != CHANCE or criteria.target is not None or not named:
        return None
    chance = worst_chance(judged.uncertainty, named)
    share = criteria.expected_share
    if not judged.accepted.any() or chance[judged.accepted].mean() <= share:
        return None
    return min(TARGETS[CHANCE], chance_to_leave(chance, share))


def _flagging_from(
    chance: float, fits: Mapping[str, Calibration], criteria: Criteria
) -> dict[str, Calibration]:
    """Return calibrations that flag frames from a chance on, in any property."""
    return {
        name: fit.model_copy(update={"chance": chance})
        for name, fit in _of(fits, criteria).items()
    }


def _of(
    fits: Mapping[str, Calibration], criteria: Criteria
) -> Mapping[str, Calibration]:
    """Return the calibrations of the properties that the user lets decide."""
    return {name: fits[name] for name in criteria.decide_by or fits if name in fits}


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
