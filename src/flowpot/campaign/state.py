"""What one turn of the loop hands to the next: counts and pointers, never frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monty.json import MSONable

from flowpot.campaign.ledger import Ledger
from flowpot.jobs import Pointer

Changes = Mapping[str, Mapping[str, Any]]
"""What each stage of a turn changes in the state, in the order of the stages."""

_LEDGERS = frozenset({"shards", "records"})
_REMEMBERED = 10  # evaluations: what was predicted long ago says little of today


@dataclass(frozen=True)
class CampaignState(MSONable):
    """
    Where a campaign stands.

    Attributes
    ----------
    uuid
        Of the campaign: in the metadata of all its jobs.
    runs
        Uuids of the loop's jobs with which it began and was continued: the last is in
        the metadata of the jobs that follow. So two continuations of one end differ.
    iteration
        Turns begun, from 1 on.
    pending
        Frames to label next: a Pointer or an Artifact, or a list of these; None if
        there are none.
    shards
        Pointers to the labelled frames.
    starts
        Pointer to the first of them: what the campaign explores from.
    predictions
        Pointers to those of the last ten evaluations.
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
    repeats
        Whether the next turn takes up a stage that failed in the last one.
    n_dataset
        Labelled frames.
    n_sent
        Frames that were sent to the labelling engine.
    """

    uuid: str
    iteration: int = 0
    pending: Any = None
    shards: Ledger = field(default_factory=Ledger)
    starts: Any = None
    predictions: list[Pointer] = field(default_factory=list)
    committee: Any = None
    calibration: Any = None
    explored: Any = None
    records: Ledger = field(default_factory=Ledger)
    trained: bool = False
    repeats: bool = False
    n_dataset: int = 0
    n_sent: int = 0
    runs: list[str] = field(default_factory=list)

    @property
    def tags(self) -> dict[str, Any]:
        """Metadata by which the campaign's jobs are found in the store."""
        run = {"campaign_run": self.runs[-1]} if self.runs else {}
        return {"campaign_uuid": self.uuid, **run}

    def with_(self, **changes: Any) -> "CampaignState":
        """Return a copy with some fields changed: what is given for a list is added."""
        for name in _LEDGERS.intersection(changes):
            changes[name] = getattr(self, name).added(changes[name])
        if "predictions" in changes:
            predictions = [*self.predictions, changes["predictions"]]
            changes["predictions"] = predictions[-_REMEMBERED:]
        if self.starts is None and "shards" in changes:
            changes["starts"] = next(iter(changes["shards"]))
        return replace(self, **changes)

    def after(self, changes: Changes, failed: str | None = None) -> "CampaignState":
        """
        Return the state after a turn.

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
        Return the state in the middle of a turn, whose evaluation chose a pilot.

        Its frames are pending. Committee and explored frames stay as they are, to be
        evaluated again. Of the first evaluation its predictions are kept: those whose
        label fails count as bad.
        """
        explored = changes.get("exploration", {}).get("explored", self.explored)
        return replace(
            self.after(changes),
            calibration=self.calibration,
            explored=explored,
            trained=True,
        )


def resolve(item: Any) -> Any:
    """Turn Pointers, also in lists, into the references that jobs read."""
    if isinstance(item, list | Ledger):
        return [resolve(entry) for entry in item]
    return item.reference if isinstance(item, Pointer) else item
