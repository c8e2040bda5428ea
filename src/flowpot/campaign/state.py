"""What one iteration of the loop hands to the next: counts and pointers, no frames."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monty.json import MSONable

from flowpot.jobs import Pointer

Changes = Mapping[str, Mapping[str, Any]]
"""What each stage of an iteration changes in the state, in the order of the stages."""

WIDTH = 8
"""Entries that are merged into one: short campaigns never get there."""

_LOGS = frozenset({"shards", "records"})
_REMEMBERED = 10  # evaluations: what was predicted long ago says little of today


@dataclass(frozen=True)
class PointerLog(MSONable):
    """
    Pointers in the order in which they came; an old one may stand for several.

    As in a log-structured merge tree (O'Neil et al., Acta Inf. 33, 351 (1996)), `WIDTH`
    entries of a level are merged into one of the next: of n that were added there are
    at most ``(WIDTH - 1) * log(n) / log(WIDTH) + WIDTH`` left, and what they point to
    is written ``log(n) / log(WIDTH)`` times more.

    Attributes
    ----------
    levels
        An entry of ``levels[k]`` stands for `WIDTH` ** k that were added. Within a
        level the oldest comes first; higher levels are older.

    Examples
    --------
    >>> log = PointerLog()
    >>> for iteration in range(WIDTH + 1):
    ...     log = log.added(Pointer(f"iteration {iteration}"))
    >>> log.full, [pointer.uuid for pointer in log.oldest(0)][-1]
    (0, 'iteration 7')
    >>> [pointer.uuid for pointer in log.merged(0, Pointer("eight iterations"))]
    ['eight iterations', 'iteration 8']
    """

    levels: list[list[Pointer]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Pointer]:
        for level in reversed(self.levels):
            yield from level

    def __len__(self) -> int:
        return sum(map(len, self.levels))

    def added(self, pointer: Pointer, level: int = 0) -> "PointerLog":
        """Return a log with one more entry."""
        return self._with(level, [*self._level(level), pointer])

    def without_last(self) -> "PointerLog":
        """Return a log without the entry that was added last."""
        return self._with(0, self._level(0)[:-1])

    @property
    def full(self) -> int | None:
        """The lowest level that has entries to be merged; None if none has."""
        full = (k for k, level in enumerate(self.levels) if len(level) >= WIDTH)
        return next(full, None)

    def oldest(self, level: int) -> list[Pointer]:
        """List the entries of a full level that are to be merged."""
        return self.levels[level][:WIDTH]

    def merged(self, level: int, pointer: Pointer) -> "PointerLog":
        """Return a log with one entry of the next level in place of :meth:`oldest`."""
        rest = self._with(level, self.levels[level][WIDTH:])
        return rest.added(pointer, level + 1)

    def _level(self, number: int) -> list[Pointer]:
        return self.levels[number] if number < len(self.levels) else []

    def _with(self, number: int, level: list[Pointer]) -> "PointerLog":
        return PointerLog([*self.levels[:number], level, *self.levels[number + 1 :]])


Ledger = PointerLog
"""Name of the class in stores of version 0.1."""


@dataclass(frozen=True)
class CampaignState(MSONable):
    """
    Where a campaign stands.

    Attributes
    ----------
    uuid
        Uuid of the campaign, which the metadata of all its jobs name.
    iteration
        Iterations begun: the number of the present one, from 1 on.
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
        Pointer to frames that are evaluated in place of an iteration's exploration.
    records
        Pointers to the IterationDocs of the finished iterations.
    trained
        Whether the next iteration goes on with the committee as it is.
    repeats
        Whether the next iteration repeats a stage that failed in the last one.
    n_dataset
        Number of labelled frames.
    n_sent
        Number of frames that were sent to the labelling engine.
    noise
        Pointer to the measured noise of the labels; None if it was not asked for.
    crystals
        Pointer to the crystals whose properties are validated, or an Artifact of them.
    shortfalls
        For each validation after which the campaign has gone on: by how many tolerances
        its quantities were uncertain or off, by "quantity of crystal".
    unvalidated
        Fields of the IterationDoc whose validation has failed, or that has ended the
        campaign without one: a continued campaign with a validator begins with it.
        None: there is none.
    runs
        Uuids of the loop's jobs with which the campaign began and was continued. The
        last is in the metadata of the jobs that follow, so that two continuations of
        the same campaign can be told apart.
    free_frames
        Frames that `pretrain_with` is to label, kept until it has.
    free_labels
        Pointer to the frames that the committee is pretrained on.
    pretrained
        Pointer to the CommitteeDoc of the pretraining; None before it.
    """

    uuid: str
    iteration: int = 0
    pending: Any = None
    shards: PointerLog = field(default_factory=PointerLog)
    starts: Any = None
    predictions: list[Pointer] = field(default_factory=list)
    committee: Any = None
    calibration: Any = None
    explored: Any = None
    records: PointerLog = field(default_factory=PointerLog)
    trained: bool = False
    repeats: bool = False
    n_dataset: int = 0
    n_sent: int = 0
    runs: list[str] = field(default_factory=list)
    noise: Any = None
    crystals: Any = None
    shortfalls: list[dict[str, float]] = field(default_factory=list)
    unvalidated: dict[str, Any] | None = None
    free_frames: Any = None
    free_labels: Any = None
    pretrained: Any = None

    @property
    def tags(self) -> dict[str, Any]:
        """Metadata by which the campaign's jobs are found in the store."""
        run = {"campaign_run": self.runs[-1]} if self.runs else {}
        return {"campaign_uuid": self.uuid, **run}

    def with_(self, **changes: Any) -> "CampaignState":
        """Return a copy with changed fields; a pointer for a list of them is added."""
        for name in _LOGS.intersection(changes):
            changes[name] = getattr(self, name).added(changes[name])
        if "predictions" in changes:
            predictions = [*self.predictions, changes["predictions"]]
            changes["predictions"] = predictions[-_REMEMBERED:]
        if self.starts is None and "shards" in changes:
            changes["starts"] = next(iter(changes["shards"]))
        return replace(self, **changes)

    def after(self, changes: Changes, failed: str | None = None) -> "CampaignState":
        """
        Return the state after an iteration.

        Parameters
        ----------
        changes
            What its stages change.
        failed
            The stage that failed: its changes and those of later stages are left out,
            so that a continued campaign repeats these stages and no others.
        """
        state = self
        for stage, changed in changes.items():
            if stage == failed:
                return state
            state = state.with_(**changed, trained=stage == "training" or state.trained)
        return state if failed else state.with_(trained=False)

    def awaiting_pilot(self, changes: Changes) -> "CampaignState":
        """
        Return the state within an iteration whose evaluation chose a pilot.

        The frames of the pilot are pending. The committee and the explored frames stay,
        to be evaluated again. The predictions of the first evaluation are kept: frames
        among them whose label fails count as bad.
        """
        explored = changes.get("exploration", {}).get("explored", self.explored)
        return replace(
            self.after(changes),
            calibration=self.calibration,
            explored=explored,
            trained=True,
        )


def resolve(item: Any) -> Any:
    """Return references, which jobs read, in place of Pointers, also in lists."""
    if isinstance(item, list | PointerLog):
        return [resolve(entry) for entry in item]
    return item.reference if isinstance(item, Pointer) else item
