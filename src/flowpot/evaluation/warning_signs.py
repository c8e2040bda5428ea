"""Problems that no selection of frames solves, and their causes."""

from collections.abc import Mapping
from typing import Any

from flowpot.dataset.labels import UNITS
from flowpot.dataset.sets import TRAIN
from flowpot.documents import field_of
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.known import is_known
from flowpot.evaluation.uncertainty.base import PerFrame

_MANY = 0.5  # share of frames
_NOISE_SHARE = 3  # tolerance over the largest noise of labels that leaves it a meaning


def warning_signs(
    committee: Any,
    seen: PerFrame,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
) -> list[str]:
    """
    Return warnings of problems that more labels do not solve.

    Parameters
    ----------
    committee
        Its document holds the errors on the training set.
    seen
        Uncertainties of the frames judged.
    fits
        The calibrations, per property.
    criteria
        Those of the evaluation.
    """
    warnings = []
    unknown = float((~is_known(seen)).mean())
    if unknown > _MANY:
        warnings.append(
            f"{unknown:.0%} of the explored frames have no finite prediction of every "
            "member: a member is broken, or the exploration is; look at the members' "
            "losses"
        )
    trained = (field_of(committee, "metrics") or {}).get(TRAIN) or {}
    warnings += [
        f"the training RMSE of {name} is {trained[name]:.3g}, over the tolerance "
        f"{limit:g}: no selection of frames mends an underfitted model; train for more "
        "epochs, or a larger model"
        for name, limit in criteria.tolerance.items()
        if trained.get(name) is not None and trained[name] > limit
    ]
    are_blind = (
        fit.effective_n >= criteria.min_frames
        and fit.rank_correlation < criteria.min_rank_correlation
        for fit in fits.values()
    )
    if fits and all(are_blind):
        warnings.append(
            "no uncertainty ranks the errors in any property: frames are flagged by "
            "the average error alone; label more frames, or train other members"
        )
    for name in criteria.tolerance:
        if name not in fits:
            warnings.append(
                f"{name} has a tolerance, but no labelled frame that it could be "
                "calibrated on: it does not take part in the decision"
            )
    return warnings


def noise_signs(
    noise: Mapping[str, float] | None, tolerance: Mapping[str, float]
) -> list[str]:
    """
    Return warnings where the labels themselves are too noisy for the tolerance.

    Parameters
    ----------
    noise
        For each property the root mean square difference between labels and labels of
        a calculation that is converged further; None if it could not be measured.
    tolerance
        Largest error that is accepted, for each property.
    """
    if noise is None:
        unknown = (
            "the noise of the labels could not be measured: no frame has both its "
            "label and a refined one; see noise_failures in the first labelling "
            "stage's document"
        )
        return [unknown]
    return [
        f"the noise of the {name} labels is {noise[name]:.3g} {UNITS[name]}, over a "
        f"third of the tolerance {limit:g}: no potential learns better than its "
        "labels; give the static Maker a denser mesh of k-points and higher cutoffs, "
        "or raise the tolerance"
        for name, limit in tolerance.items()
        if name in noise and noise[name] > limit / _NOISE_SHARE
    ]
