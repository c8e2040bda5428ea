"""What one turn of the loop hands to the next: counts and pointers, never frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monty.json import MSONable

from flowpot.jobs import Pointer

Changes = Mapping[str, Mapping[str, Any]]
"""What each stage of a turn changes in the state, in the order of the stages."""

_LISTS = frozenset({"shards", "predictions", "evidence", "records"})
_REMEMBERED = 10  # evaluations: what was predicted long ago says little of today


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
        Frames to label next: a Pointer or an Artifact, or a list of these; None if
        there are none.
    shards
        Pointers to the labelled frames.
    predictions, evidence
        Pointers to these fields of earlier evaluations; of the predictions, to the last
        ten.
    committee
        Pointer to the last CommitteeDoc, or to the one given by the user.
    calibration
        Pointer to the last evaluation's, for molecular dynamics that is watched.
    explored
        Pointer to frames that are judged in place of a turn's exploration.
    records
        Pointers to the IterationDocs of the finished turns.
    trained
        Whether the next turn goes on with the committee as it is.
    n_dataset
        Labelled frames.
    n_sent
        Frames that were sent to the labelling engine.
    """

    uuid: str
    iteration: int = 0
    pending: Any = None
    shards: list[Any] = field(default_factory=list)
    predictions: list[Any] = field(default_factory=list)
    evidence: list[Any] = field(default_factory=list)
    committee: Any = None
    calibration: Any = None
    explored: Any = None
    records: list[Any] = field(default_factory=list)
    trained: bool = False
    n_dataset: int = 0
    n_sent: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Write pointers in lists as short text: there is one more each turn."""
        lists = {
            name: [_packed(each) for each in getattr(self, name)] for name in _LISTS
        }
        return super().as_dict() | lists

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> "CampaignState":
        """Read what :meth:`as_dict` wrote."""
        read: Any = super().from_dict(d)
        lists = {n: [_unpacked(each) for each in getattr(read, n)] for n in _LISTS}
        found: CampaignState = replace(read, **lists)
        return found

    def with_(self, **changes: Any) -> "CampaignState":
        """Give a copy with some fields changed; what is given for a list is added."""
        lists = {
            name: [*getattr(self, name), changes[name]]
            for name in _LISTS.intersection(changes)
        }
        if "predictions" in lists:
            lists["predictions"] = lists["predictions"][-_REMEMBERED:]
        return replace(self, **{**changes, **lists})

    def after(self, changes: Changes, failed: str | None = None) -> "CampaignState":
        """
        Give the state after a turn.

        Parameters
        ----------
        changes
            Of the turn's stages.
        failed
            The stage that failed: its changes and those of later stages are left out,
            so that a continued campaign repeats them and nothing else.
        """
        state = self
        for stage, changed in changes.items():
            if stage == failed:
                return state
            state = state.with_(**changed, trained=stage == "training" or state.trained)
        return state if failed else state.with_(trained=False)

    def awaiting_pilot(self, changes: Changes) -> "CampaignState":
        """
        Give the state in the middle of a turn, whose evaluation chose a pilot.

        Its frames are pending. Committee and explored frames stay as they are, to be
        evaluated again, and nothing else is kept of the first evaluation.
        """
        explored = changes.get("exploration", {}).get("explored", self.explored)
        return replace(
            self.after(changes),
            predictions=self.predictions,
            evidence=self.evidence,
            calibration=self.calibration,
            explored=explored,
            trained=True,
        )


def _packed(item: Any) -> Any:
    """Write a Pointer to a field of an output as "uuid.field"."""
    fields = isinstance(item, Pointer) and all(s[0] == "a" for s in item.attributes)
    return ".".join([item.uuid, *(s[1] for s in item.attributes)]) if fields else item


def _unpacked(item: Any) -> Any:
    if not isinstance(item, str):
        return item
    uuid, *names = item.split(".")
    return Pointer(uuid, tuple(("a", name) for name in names))


def resolve(item: Any) -> Any:
    """Turn Pointers, also in lists, into the references that jobs read."""
    if isinstance(item, list):
        return [resolve(entry) for entry in item]
    return item.reference if isinstance(item, Pointer) else item
