"""Which uncertainties a committee has."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowpot.dataset import Dataset
from flowpot.dataset.sets import TRAIN, sets_of
from flowpot.evaluation.uncertainty.base import Uncertainty
from flowpot.evaluation.uncertainty.distance import FeatureDistance
from flowpot.potentials import Potential, members_of


def kept_with(committee: Any) -> list[Uncertainty]:
    """List what the documents of the members have kept of their training set."""
    for rank, member in enumerate(members_of(committee)):
        is_dict = isinstance(member, Mapping)
        kept = member.get("features") if is_dict else getattr(member, "features", None)
        if kept is not None:
            return [FeatureDistance.from_artifact(kept, rank)]
    return []


def beside_spread(
    committee: Any, members: Sequence[Potential], labelled: Dataset
) -> list[Uncertainty]:
    """
    List the uncertainties of a committee beside the spread of its members.

    Parameters
    ----------
    committee
        Its members' documents may have the feature statistics of their training set;
        else they are taken here.
    members
        The committee, loaded.
    labelled
        All labelled frames, with their sets.

    Raises
    ------
    ValueError
        Where a single potential does not give its features: nothing tells its errors.
    """
    if kept := kept_with(committee):
        return kept
    training = labelled[(sets_of(labelled) == TRAIN) & ~labelled.is_isolated_atom]
    try:
        return [FeatureDistance.fit(members, training)] if len(training) else []
    except NotImplementedError as error:
        if len(members) > 1:
            return []
        raise ValueError(
            f"the committee has one member, and {error}: train 2 or more members, "
            "whose spread tells their errors"
        ) from error
