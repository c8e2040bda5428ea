"""What one turn of the loop hands to the next: counts and pointers, never frames."""

from dataclasses import dataclass, field, replace
from typing import Any

from monty.json import MSONable

from flowpot.jobs import Pointer


@dataclass(frozen=True)
class CampaignState(MSONable):
    """
    Where a campaign stands.

    Attributes
    ----------
    uuid
        Of the campaign: in the metadata of all its jobs.
    iteration
        Turns begun, from 1 on.
    pending
        Frames to label next: a Pointer or an Artifact; None if there are none.
    shards
        Labelled frames: Pointers, or Artifacts given by the user.
    predictions, evidence
        Pointers to these fields of earlier evaluations.
    committee
        Pointer to the last CommitteeDoc, or the one given by the user.
    calibration
        Pointer to the last evaluation's, for molecular dynamics that is watched.
    history
        IterationDocs of the finished turns, as dictionaries.
    """

    uuid: str
    iteration: int = 0
    pending: Any = None
    shards: list[Any] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    evidence: list[Any] = field(default_factory=list)
    committee: Any = None
    calibration: Any = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def with_(self, **changes: Any) -> "CampaignState":
        """Give a copy with some fields changed."""
        return replace(self, **changes)


def resolve(item: Any) -> Any:
    """Turn Pointers, also in lists, into the references that jobs read."""
    if isinstance(item, list):
        return [resolve(entry) for entry in item]
    return item.reference if isinstance(item, Pointer) else item
