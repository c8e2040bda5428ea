"""What is explored: from which frames, under which conditions, by which members."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil
from typing import Literal, Self

import numpy as np
from jobflow import Maker
from monty.json import MSONable

from flowpot.dataset import Dataset
from flowpot.exploration.conditions import Conditions, pair
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.initial_conditions import (
    MEMBER_CHOICES,
    SAMPLINGS,
    STARTS_FROM,
    MemberChoice,
    Sampling,
    StartFrom,
    Target,
    draw_conditions,
    draw_starts,
    drivers,
)
from flowpot.exploration.registry import default_engine
from flowpot.exploration.schedule import ExplorationChange, change_at
from flowpot.randomness import derive_rng, derive_seed
from flowpot.validation import (
    at_least,
    instance,
    keep_tuples,
    names,
    one_of,
    positive,
    text,
    whole,
)


@dataclass
class ExplorationPlan(MSONable):
    """
    The settings of an exploration, and the trajectories that they draw.

    The parameters are those of :class:`flowpot.ExplorationMaker`, which is one.
    """

    name: str = "exploration"
    md_maker: MDMaker = field(default_factory=default_engine)
    n_starts: int = 20
    temperatures: Sequence[Target] | None = (0.0, 1000.0)
    pressures: Sequence[Target] | None = (-5.0, 5.0)
    sampling: Sampling = "range"
    equilibration: int = 0
    stride: int | Literal["auto"] = 1
    vacuum: float = 15.0
    detect_vacuum: float | None = None
    member: MemberChoice = "random"
    config_types: Sequence[str] | None = None
    runs_per_job: int | None = None
    runs_per_start: int = 1
    start_from: StartFrom = "initial"
    schedule: list[ExplorationChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        text(name=self.name)
        instance(Maker, md_maker=self.md_maker)
        if not hasattr(self.md_maker, "make_several"):
            raise ValueError(
                f"md_maker is a {type(self.md_maker).__name__}: it must be a Maker of "
                "trajectories, such as LammpsMDMaker"
            )
        one_of(SAMPLINGS, sampling=self.sampling)
        one_of(MEMBER_CHOICES, member=self.member)
        one_of(STARTS_FROM, start_from=self.start_from)
        whole(1, n_starts=self.n_starts, runs_per_job=self.runs_per_job)
        whole(1, runs_per_start=self.runs_per_start)
        if self.stride != "auto":
            whole(1, stride=self.stride)
        whole(0, equilibration=self.equilibration)
        at_least(0, vacuum=self.vacuum)
        positive(detect_vacuum=self.detect_vacuum)
        names(config_types=self.config_types)
        self._check_targets("temperatures")
        self._check_targets("pressures")
        keep_tuples(self, "temperatures", "pressures", "config_types")
        self.schedule = list(self.schedule)
        if self.equilibration >= self.md_maker.n_steps:
            raise ValueError(
                f"equilibration is {self.equilibration} and the runs have "
                f"{self.md_maker.n_steps} steps: leave some to sample from"
            )
        for i, change in enumerate(self.schedule):
            try:
                self.changed(change)
            except ValueError as error:
                raise ValueError(f"schedule[{i}]: {error}") from error

    def _check_targets(self, name: str) -> None:
        """Refuse temperatures or pressures that cannot be meant."""
        values = getattr(self, name)
        if values is None:
            return
        is_list = isinstance(values, Sequence | np.ndarray)
        if isinstance(values, str) or not is_list:
            raise ValueError(
                f"{name} is {values!r}: give a list of numbers, such as [300, 600]"
            )
        # They would hide conditions that were given to the engine.
        single = name.removesuffix("s")
        defaults = {f.name: f.default for f in fields(self.md_maker)}
        own = getattr(self.md_maker, single, None)
        if single in defaults and own != defaults[single]:
            raise ValueError(
                f"{name} is {values} and md_maker.{single} is {own}: give one of them; "
                f"with {name}=None the md_maker's is used"
            )
        if not len(values):
            raise ValueError(
                f"{name} is empty: give at least one, or None for the md_maker's"
            )
        ends = [pair(f"{name}[{i}]", target) for i, target in enumerate(values)]
        if name == "temperatures" and np.min(ends) < 0:
            raise ValueError(f"temperatures are {list(values)} K: use 0 or more")

    def changed(self, change: ExplorationChange) -> Self:
        """
        Return the exploration with a change of its schedule, and without a schedule.

        Raises
        ------
        ValueError
            If the fields that are changed cannot be meant.
        """
        of_engine, own = change.values()
        md_maker = replace(self.md_maker, **of_engine)
        return replace(self, md_maker=md_maker, schedule=[], **own)

    def at(self, iteration: int) -> Self:
        """Return the exploration of an iteration, counted from 1, by the schedule."""
        if not self.schedule:
            return self
        return self.changed(change_at(self.schedule, iteration))

    def n_jobs(self, n_runs: int) -> int:
        """Return the number of jobs that run `n_runs` trajectories of one member."""
        return ceil(n_runs / self.runs_of_a_job(n_runs))

    def runs_of_a_job(self, n_runs: int) -> int:
        """Return how many of `n_runs` trajectories share a job."""
        return self.runs_per_job or self.md_maker.runs_to_share(n_runs)

    def trajectories(
        self, frames: Dataset, n_members: int, seed: int
    ) -> dict[int, list[tuple[int, Conditions]]]:
        """
        Draw the trajectories of an iteration.

        Parameters
        ----------
        frames
            Frames to start from.
        n_members
            Size of the committee.
        seed
            Seed from which all draws are derived.

        Returns
        -------
        dict[int, list[tuple[int, Conditions]]]
            For each member that drives: the index of the frame that each of its
            trajectories starts from, and the conditions.

        Raises
        ------
        ValueError
            If there is no frame to start from.
        """
        starts = draw_starts(
            frames,
            self.n_starts,
            rng=derive_rng(seed, "starts"),
            config_types=self.config_types,
            start_from=self.start_from,
        )
        drawn = draw_conditions(
            len(starts),
            self.temperatures,
            self.pressures,
            self.sampling,
            derive_rng(seed, "conditions"),
            self.runs_per_start,
        )
        rng = derive_rng(seed, "member")
        members_of_runs = drivers(self.member, len(drawn), n_members, rng)
        by_member: dict[int, list[tuple[int, Conditions]]] = {}
        for i, (start, kelvin, kbar) in enumerate(drawn):
            for member in members_of_runs[i]:
                conditions = self.md_maker.conditions(
                    kelvin, kbar, derive_seed(seed, "trajectory", i, member)
                )
                by_member.setdefault(member, []).append((starts[start], conditions))
        return by_member
