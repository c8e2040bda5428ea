"""Whether the stages of a campaign agree on when two atoms are too close."""

from typing import TYPE_CHECKING, Any

from flowpot.dataset.geometry.closeness import (
    accepted_distance,
    check_handed_on,
    made_distance,
)

if TYPE_CHECKING:
    from flowpot.campaign.makers import ActiveLearningMaker


def check_stage_distances(maker: "ActiveLearningMaker") -> None:
    """
    Refuse stages that would make frames which the next stage does not accept.

    Parameters
    ----------
    maker
        The campaign; stages that it does without are left out.

    Raises
    ------
    ValueError
        With both fields, their values and the remedy.
    """
    limits = _limits(maker)
    for maker_field, taker_field in (
        ("augmentation", "labelling"),
        ("exploration", "evaluation"),
        ("evaluation", "labelling"),
    ):
        if maker_field in limits and taker_field in limits:
            check_handed_on(limits[maker_field], limits[taker_field])


def _limits(maker: "ActiveLearningMaker") -> dict[str, tuple[str, float]]:
    """Return the field and the limit of each stage that has one."""
    limits: dict[str, tuple[str, float]] = {}
    # Another package's stages may have no such fields.
    augmentation: Any = maker.augmentation
    labelling: Any = maker.labelling
    evaluation: Any = maker.evaluation
    if hasattr(augmentation, "min_distance"):
        made = made_distance(augmentation.min_distance)
        limits["augmentation"] = "augmentation.min_distance", made
    if hasattr(labelling, "min_distance"):
        own = getattr(labelling.static_maker, "min_distance_fraction", None)
        limit = labelling.min_distance
        engine = "static_maker." if own == limit else ""
        limits["labelling"] = f"labelling.{engine}min_distance_fraction", limit
    sanity = getattr(getattr(maker.exploration, "md_maker", None), "limits", None)
    if sanity is not None and hasattr(sanity, "contact"):
        contact = accepted_distance(sanity.contact)
        limits["exploration"] = "exploration.md_maker.limits.contact", contact
    if hasattr(evaluation, "rules"):
        judged = accepted_distance(evaluation.rules.min_distance)
        limits["evaluation"] = "evaluation.rules.min_distance", judged
    return limits
