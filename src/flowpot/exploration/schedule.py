"""Other conditions in later iterations."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from monty.json import MSONable

from flowpot.exploration.starts import Sampling, StartFrom, Target

if TYPE_CHECKING:
    from flowpot.exploration.makers import ExplorationMaker

_OF_THE_ENGINE = ("n_steps", "sample_interval", "timestep")


@dataclass
class ExplorationChange(MSONable):
    """
    What is different in an iteration; None leaves the exploration's own.

    Parameters
    ----------
    iterations
        How many iterations it holds for. The last change of a schedule holds for all
        that follow.
    temperatures, pressures, sampling, n_starts, runs_per_start, start_from, \
    config_types, equilibration
        Instead of the `ExplorationMaker`'s.
    n_steps, sample_interval, timestep
        Instead of its ``md_maker``'s.

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
        """Check how long it holds; the rest is checked where it is applied."""
        if self.iterations < 1:
            raise ValueError(f"iterations is {self.iterations}: use 1 or more")

    def __repr__(self) -> str:
        """Name what is different."""
        told = {"iterations": self.iterations, **self._changes()}
        inside = ", ".join(f"{name}={value!r}" for name, value in told.items())
        return f"ExplorationChange({inside})"

    def _changes(self) -> dict[str, Any]:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        del named["iterations"]
        return {name: value for name, value in named.items() if value is not None}

    def applied(self, maker: "ExplorationMaker") -> "ExplorationMaker":
        """Return the exploration with these changes, and without a schedule."""
        changes = self._changes()
        own = {name: changes.pop(name) for name in _OF_THE_ENGINE if name in changes}
        md_maker = replace(maker.md_maker, **own)
        return replace(maker, md_maker=md_maker, schedule=[], **changes)


def change_at(
    schedule: Sequence[ExplorationChange], iteration: int
) -> ExplorationChange:
    """Return the change of an iteration, counted from 1, of a schedule that has any."""
    last = 0
    for change in schedule:
        last += change.iterations
        if iteration <= last:
            return change
    return schedule[-1]
