"""What no selection of frames mends, and what does."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import is_known
from flowpot.evaluation.streaming import PerFrame

_MANY = 0.5  # share of frames


def warning_signs(
    committee: Any,
    seen: PerFrame,
    fits: Mapping[str, Calibration],
    criteria: Criteria,
) -> list[str]:
    """
    Name the causes of errors that more labels do not cure.

    Parameters
    ----------
    committee
        Its document has the errors on the training set.
    seen
        Uncertainties of the frames judged.
    fits
        The calibrations.
    criteria
        Of the evaluation.
    """
    found = []
    unknown = float((~is_known(seen)).mean())
    if unknown > _MANY:
        found.append(
            f"{unknown:.0%} of the explored frames have no finite prediction of every "
            "member: a member is broken, or the exploration is; look at the members' "
            "losses"
        )
    found += _underfitted(committee, criteria.tolerance)
    blind = [n for n, fit in fits.items() if _is_blind(fit, criteria)]
    if fits and len(blind) == len(fits):
        found.append(
            "no uncertainty ranks the errors in any property: frames are flagged by "
            "the average error alone; label more frames, or train other members"
        )
    for name in criteria.tolerance:
        if name not in fits:
            found.append(
                f"{name} has a tolerance, but no labelled frame that it could be "
                "calibrated on: it does not take part in the decision"
            )
    return found


def _is_blind(fit: Calibration, criteria: Criteria) -> bool:
    enough = fit.effective_n >= criteria.min_frames
    return enough and fit.rank_correlation < criteria.min_rank_correlation


def _underfitted(committee: Any, tolerance: Mapping[str, float]) -> Sequence[str]:
    """Compare the errors on the training set with the tolerance."""
    is_dict = isinstance(committee, Mapping)
    metrics = (
        committee.get("metrics") if is_dict else getattr(committee, "metrics", None)
    )
    trained = (metrics or {}).get("train") or {}
    return [
        f"the training RMSE of {name} is {trained[name]:.3g}, over the tolerance "
        f"{limit:g}: no selection of frames mends an underfitted model; train for more "
        "epochs, or a larger model"
        for name, limit in tolerance.items()
        if trained.get(name) is not None and trained[name] > limit
    ]
