"""Settings of an exploration that change from iteration to iteration."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from monty.json import MSONable

from flowpot.exploration.initial_conditions import Sampling, StartFrom, Target
from flowpot.validation import keep_tuples

_OF_THE_ENGINE = ("n_steps", "sample_interval", "timestep")


@dataclass
class ExplorationChange(MSONable):
    """
    What is different in an iteration; None keeps the exploration's own value.

    Parameters
    ----------
    iterations
        How many iterations it holds for. The last change of a schedule holds for all
        that follow.
    temperatures, pressures, sampling, n_starts, runs_per_start, start_from, \
    config_types, equilibration
        Used in place of the `ExplorationMaker`'s.
    n_steps, sample_interval, timestep
        Used in place of its ``md_maker``'s.

    Examples
    --------
    >>> [ExplorationChange(temperatures=(t,), n_steps=1000 * t) for t in (300, 600)][0]
    ExplorationChange(iterations=1, temperatures=(300,), n_steps=300000)
    """

    iterations: int = 1
    temperatures: Sequence[Target] | None = None
    pressures: Sequence[Target] | None = None
    sampling: Sampling | None = None
    n_starts: int | None = None
    runs_per_start: int | None = None
    start_from: StartFrom | None = None
    config_types: Sequence[str] | None = None
    equilibration: int | None = None
    n_steps: int | None = None
    sample_interval: int | None = None
    timestep: float | None = None

    def __post_init__(self) -> None:
        """Check its length; the exploration checks the other fields."""
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}: use 1 or more")
        keep_tuples(self, "temperatures", "pressures", "config_types")

    def __repr__(self) -> str:
        """Name what is different."""
        of_engine, own = self.values()
        shown = {"iterations": self.iterations, **own, **of_engine}
        inside = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"ExplorationChange({inside})"

    def values(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the new values of the engine's fields, and of the exploration's."""
        changes = {field.name: getattr(self, field.name) for field in fields(self)}
        del changes["iterations"]
        changes = {k: value for k, value in changes.items() if value is not None}
        of_engine = {k: changes.pop(k) for k in _OF_THE_ENGINE if k in changes}
        return of_engine, changes


def change_at(
    schedule: Sequence[ExplorationChange], iteration: int
) -> ExplorationChange:
    """Return the change at an iteration, counted from 1; the schedule is not empty."""
    last = 0
    for change in schedule:
        last += change.iterations
        if iteration <= last:
            return change
    return schedule[-1]
