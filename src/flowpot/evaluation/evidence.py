"""
Labelled frames that a calibration may be fitted to, because they were not learned.

Calibrated on all labelled frames, most of them augmented, a committee reports a true
positive rate of 0.84 on MD frames where it has 0.28. The frames to calibrate on are
those that represent the frames to be judged: explored frames that the present
committee has not learned.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.sets import AUDIT, TEST, TRAIN, VAL, is_explored, sets_of
from flowpot.evaluation.covariates import Evidence, uncertainties_in
from flowpot.evaluation.disagreement import label_error
from flowpot.evaluation.pool import CalibrationPool
from flowpot.evaluation.streaming import with_atoms
from flowpot.evaluation.uncertainty import Uncertainty
from flowpot.evaluation.uncertainty.magnitude import magnitude_of_atoms
from flowpot.potentials import Potential
from flowpot.potentials.features import summarised

REPRESENTATIVE, ALL_LABELLED = KINDS = ("representative", "all labelled")

_REMEMBERED = "explored frames as they were before learning"


def gather(
    committee: Sequence[Potential],
    labelled: Dataset,
    predictions: Sequence[Dataset],
    uncertainties: Sequence[Uncertainty] = (),
) -> CalibrationPool:
    """
    Find the labelled frames that may calibrate this iteration, and measure them.

    Parameters
    ----------
    committee
        The present members.
    labelled
        All labelled frames, with their sets.
    predictions
        Of each earlier evaluation, for the frames that it chose.
    uncertainties
        What is measured beside the spread of the members.
    """
    explored = is_explored(labelled)
    sets = sets_of(labelled)
    unseen = np.isin(sets, (VAL, TEST, AUDIT)) & weighable(labelled)
    learned = labelled[(sets == TRAIN) & explored]
    pairs = [match(chosen, learned) for chosen in predictions]
    past = None
    if pasts := [remembered(then, now) for then, now in pairs if len(now)]:
        past = Evidence.join(pasts)
        past = replace(past, origin=f"{len(past)} {_REMEMBERED}")
    return CalibrationPool(
        unseen=_held_out(
            committee,
            labelled[unseen & explored],
            "explored frames not learned",
            uncertainties,
        ),
        remembered=past,
        augmented=_held_out(
            committee,
            labelled[unseen & ~explored],
            "held-out augmented frames",
            uncertainties,
        ),
    )


def all_labelled(
    committee: Sequence[Potential],
    labelled: Dataset,
    uncertainties: Sequence[Uncertainty] = (),
) -> Evidence:
    """
    Measure all labelled frames, most of which the committee has learned.

    AiiDA-TrainsPot does so; this is for comparison. That code also averages the error
    over the members and takes their range, as :func:`flowpot.evaluation.error` and
    :func:`flowpot.evaluation.disagreement.range_of_members` can.
    """
    spread, atoms = with_atoms(committee, labelled, uncertainties)
    return Evidence(
        *spread,
        weights=np.ones(len(labelled)),
        origin=f"all {len(labelled)} labelled frames, training included",
        atoms=atoms,
    )


def remembered(predictions: Dataset, labelled: Dataset) -> Evidence:
    """
    Read the uncertainties and errors that frames had before they were learned.

    Parameters
    ----------
    predictions
        Frames as an evaluation chose them: the committee mean as their labels, their
        uncertainties as columns.
    labelled
        The same frames, in the same order, with their true labels.
    """
    # Predicted before this was a column, too.
    magnitude = summarised(magnitude_of_atoms(predictions.forces), predictions)
    return Evidence(
        disagreement=uncertainties_in(predictions.info) | magnitude,
        error=label_error(
            {name: getattr(predictions, name) for name in PROPERTIES}, labelled
        ),
        weights=np.ones(len(labelled)),  # as in `_held_out`
        origin=f"{len(labelled)} {_REMEMBERED}",
    )


def match(predictions: Dataset, labelled: Dataset) -> tuple[Dataset, Dataset]:
    """
    Pair predictions with the labels that have arrived for them, by fingerprint.

    Frames whose chance of being chosen is not known are left out.
    """
    predictions = predictions[weighable(predictions)]
    position = {f: i for i, f in enumerate(labelled.fingerprints)}
    pairs = [
        (i, position[f])
        for i, f in enumerate(predictions.fingerprints)
        if f in position
    ]
    predicted, known = np.array(pairs, dtype=int).reshape(-1, 2).T
    return predictions[predicted], labelled[known]


def weighable(frames: Dataset) -> NDArray[np.bool_]:
    """
    Return the mask (n,) of frames that may stand for others.

    Frames that were not drawn but chosen for what they are may not (see
    :attr:`flowpot.evaluation.SelectionRules.method`): their probability of being
    chosen, and so their weight, is unknown. Frames that no evaluation chose count once.
    """
    unknown = np.full(len(frames), None)
    chosen = np.asarray(frames.info.get("selection", unknown)) == "selected"
    probability = frames.info.get("selection_probability", unknown)
    return ~(chosen & np.isnan(np.asarray(probability, dtype=float)))


def _held_out(
    committee: Sequence[Potential],
    frames: Dataset,
    what: str,
    uncertainties: Sequence[Uncertainty],
) -> Evidence | None:
    """
    Measure frames that the committee has not been trained on; None without any.

    They all weigh alike: they were chosen at random, or by their uncertainties, on
    which the error model conditions.
    """
    if len(frames) == 0:
        return None
    spread, atoms = with_atoms(committee, frames, uncertainties)
    return Evidence(
        *spread,
        weights=np.ones(len(frames)),
        origin=f"{len(frames)} {what}",
        atoms=atoms,
    )
