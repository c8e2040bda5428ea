"""The evaluation stage without jobflow: calibrate, judge, choose, audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.audit import Audit, audit
from flowpot.evaluation.calibration import Calibration, calibrate
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.evidence import Evidence, gather, match, remembered
from flowpot.evaluation.prediction import (
    PROPERTIES,
    CommitteePrediction,
    evaluate_committee,
    load_committee,
)
from flowpot.evaluation.sanity import far_apart
from flowpot.evaluation.selection import Selection, SelectionRules, select
from flowpot.randomness import derive_rng, derive_seed


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
        Of the frames accepted in earlier iterations.
    selection
        Indices into the explored frames.
    chosen
        The selected and audited frames, labelled with the committee mean; columns
        ``selection``, ``selection_probability`` and ``disagreement_*``.
    n_explored, n_insane, n_known
        Frames judged; of them without finite predictions or with atoms too close;
        labelled already.
    """

    calibration: dict[str, Calibration]
    evidence: Evidence
    audit: Audit
    selection: Selection
    chosen: Dataset
    n_explored: int
    n_insane: int
    n_known: int


def judge(
    committee: Any,
    labelled: Dataset,
    explored: Dataset,
    *,
    predictions: Dataset | None = None,
    tolerance: Mapping[str, float],
    min_frames: float = 30,
    rules: SelectionRules | None = None,
    max_labels: int | None = None,
    seed: int = 0,
) -> Judgement:
    """
    Calibrate a committee on labelled frames and judge explored ones with it.

    Parameters are those of :meth:`flowpot.EvaluationMaker.make` and the maker's
    fields, loaded.

    Raises
    ------
    ValueError
        If nothing was explored, or nothing can be calibrated on.
    """
    if len(explored) == 0:
        raise ValueError("no explored frame to judge: every MD run failed or was empty")
    members = load_committee(committee)
    rules = rules or SelectionRules()
    evidence = gather(members, labelled, predictions)
    fits = calibrate(
        evidence.disagreement,
        evidence.error,
        tolerance,
        weights=evidence.weights,
        min_frames=min_frames,
        origin=evidence.origin,
        seed=derive_seed(seed, "bootstrap"),
    )
    fits = {name: f if f.trusted else f.widened() for name, f in fits.items()}

    sane = far_apart(explored, rules.min_distance)
    prediction = evaluate_committee(members, explored)
    spread = disagreement(prediction, explored)
    known = np.isin(explored.fingerprints, labelled.fingerprints)
    selection = select(
        spread,
        fits,
        rng=derive_rng(seed, "selection"),
        rules=rules,
        candidates=sane & ~known,
        budget=None if max_labels is None else max_labels - len(labelled),
    )
    return Judgement(
        calibration=fits,
        evidence=evidence,
        audit=_audit_earlier(predictions, labelled, tolerance),
        selection=selection,
        chosen=_chosen(explored, prediction, spread, selection),
        n_explored=len(explored),
        n_insane=selection.n_insane + int((~sane).sum()),
        n_known=int((known & sane).sum()),
    )


def _audit_earlier(
    predictions: Dataset | None, labelled: Dataset, tolerance: Mapping[str, float]
) -> Audit:
    """Audit frames that were accepted before and have been labelled since."""
    if predictions is None:
        return Audit()
    accepted = predictions[predictions.info["selection"] == "audit"]
    then, now = match(accepted, labelled)
    return audit(remembered(then, now).error, tolerance) if len(now) else Audit()


def _chosen(
    explored: Dataset,
    prediction: CommitteePrediction,
    spread: Mapping[str, np.ndarray],
    selection: Selection,
) -> Dataset:
    """Pick the chosen frames, with all that later iterations want to know of them."""
    index = np.concatenate([selection.selected, selection.audit])
    kinds = ("selected", "audit")
    counts = [len(selection.selected), len(selection.audit)]
    probability = (selection.selected_probability, selection.audit_probability)
    columns = {f"disagreement_{name}": spread[name][index] for name in PROPERTIES}
    # Labels of the chosen frames only: others may be insane, which a Dataset refuses.
    ranges = [np.arange(*explored.offsets[i : i + 2]) for i in index]
    atoms = np.concatenate(ranges) if ranges else np.empty(0, dtype=int)
    mean = prediction.mean
    return (
        explored[index]
        .with_labels(
            energy=mean["energy"][index],
            forces=mean["forces"][atoms],
            stress=mean["stress"][index],
        )
        .with_info(
            selection=np.repeat(np.array(kinds, dtype=object), counts),
            selection_probability=np.repeat(probability, counts),
            **columns,
        )
    )
