"""The exploration stage as a Flow: plan, run, collect."""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

import numpy as np
from jobflow import Flow, Job, Maker, OutputReference, Response

from flowpot.dataset import Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.dataset.portable import portable
from flowpot.documents import package_versions, reason_of, recorded
from flowpot.exploration.collection import (
    batched,
    collect_frames,
    decorrelated_stride,
    failures_of,
)
from flowpot.exploration.conditions import Conditions, pair
from flowpot.exploration.document import ExplorationDoc, MDBatchDoc
from flowpot.exploration.engine import MDMaker, default_engine
from flowpot.exploration.members import anchored, members_of
from flowpot.exploration.schedule import ExplorationChange, change_at
from flowpot.exploration.starts import (
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
from flowpot.exploration.vacuum import restore_vacuum
from flowpot.jobs import Pointer, Spare, continue_with, deciding_job, fan_out_job
from flowpot.randomness import derive_rng, derive_seed
from flowpot.validation import (
    at_least,
    instance,
    names,
    one_of,
    positive,
    text,
    whole,
)
from flowpot.validation import seed as check_seed


@dataclass
class ExplorationMaker(Maker):
    """
    Explore with molecular dynamics and collect the sampled frames.

    Parameters
    ----------
    name
        Of the Flow.
    md_maker
        The engine of the trajectories.
    n_starts
        Frames drawn from the dataset to start from.
    temperatures, pressures
        K and kbar; how they are used is ``sampling``'s. A pair among them is a ramp
        from the first to the second. None: those of the `md_maker`.
    sampling
        ``"range"``: uniform between the smallest and the largest. ``"list"``: one of
        the values. ``"grid"``: every start at every temperature and pressure.
    runs_per_start
        Trajectories of each start (of each of its points on the grid), with conditions
        and seeds of their own.
    start_from
        ``"initial"``: the frames that the campaign began with. ``"labelled"``: also
        those labelled since, in a campaign. Starts are drawn evenly over the input
        structures that frames come from, and over their kinds.
    equilibration
        Steps at the start of a trajectory whose frames are left out.
    stride
        Every how many-th sampled frame is kept. ``"auto"``: by the correlation time
        of each trajectory's potential energy.
    vacuum
        Gap (A) that collected frames have at least along non-periodic axes.
    detect_vacuum
        Gap (A) from which an axis marked as periodic is taken for a non-periodic one
        in collected frames; None trusts the frames.
    member
        Which committee member drives: ``"random"``, one for all trajectories of an
        iteration; ``"round robin"``, by turns; ``"all"``, each trajectory by each.
    config_types
        Kinds of frames to start from; None for all, but those from MD where
        `start_from` is ``"initial"``.
    runs_per_job
        Trajectories that share a job and its loaded model. None: shared out among
        ``FLOWPOT_MD_WORKERS`` jobs or, where that is not set, so many that starting a
        job takes next to none of its time.
    schedule
        What changes from iteration to iteration, the last change for all that follow.
        Each is told from the fields here, not from the change before.
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
        self._check_targets()
        if self.equilibration >= self.md_maker.n_steps:
            raise ValueError(
                f"equilibration is {self.equilibration} and the runs have "
                f"{self.md_maker.n_steps} steps: leave some to sample from"
            )
        for i, change in enumerate(self.schedule):
            try:
                change.applied(self)
            except ValueError as error:
                raise ValueError(f"schedule[{i}]: {error}") from error

    def _check_targets(self) -> None:
        """Refuse temperatures and pressures that are none, before anything starts."""
        for name in ("temperatures", "pressures"):
            values = getattr(self, name)
            if values is None:
                continue
            given = isinstance(values, Sequence) and not isinstance(values, str)
            if not (given or isinstance(values, np.ndarray)):
                raise ValueError(
                    f"{name} is {values!r}: give a list of numbers, such as [300, 600]"
                )
            self._check_owner(name)
            if not len(values):
                raise ValueError(
                    f"{name} is empty: give at least one, or None for the md_maker's"
                )
            ends = [pair(f"{name}[{i}]", each) for i, each in enumerate(values)]
            if name == "temperatures" and np.min(ends) < 0:
                raise ValueError(f"temperatures are {list(values)} K: use 0 or more")

    def _check_owner(self, name: str) -> None:
        """Refuse conditions of the trajectories' Maker that would be replaced."""
        own = name.removesuffix("s")
        usual = {each.name: each.default for each in dataclasses.fields(self.md_maker)}
        said = getattr(self.md_maker, own, None)
        if own in usual and said != usual[own]:
            raise ValueError(
                f"{name} is {getattr(self, name)} and md_maker.{own} is {said}: give "
                f"one of them; with {name}=None the md_maker's is used"
            )

    def at(self, iteration: int) -> "ExplorationMaker":
        """Return the exploration of an iteration, counted from 1, by the schedule."""
        if not self.schedule:
            return self
        return change_at(self.schedule, iteration).applied(self)

    def n_jobs(self, n_runs: int) -> int:
        """Count the jobs that run so many trajectories of one member."""
        return ceil(n_runs / self._shared(n_runs))

    def _shared(self, n_runs: int) -> int:
        return self.runs_per_job or self.md_maker.runs_to_share(n_runs)

    def make(
        self,
        committee: Any,
        dataset: Any,
        *,
        seed: int = 0,
        calibration: Any = None,
        iteration: int = 0,
    ) -> Flow:
        """
        Explore with a committee from frames of a dataset.

        Parameters
        ----------
        committee
            CommitteeDoc, a reference to one, or anything that
            :meth:`MDMaker.make` takes.
        dataset
            Frames to start from.
        seed
            From which all draws are derived.
        calibration
            Of the last evaluation, for trajectories that are checked.
        iteration
            Counted from 1: for the schedule, and for the record.
        """
        check_seed(seed=seed)
        referred = isinstance(committee, OutputReference)
        plan = self.at(iteration).plan(
            # A reference would be resolved here, and its models copied into the
            # trajectories' jobs. A list of small numbers waits for it instead.
            Pointer.to(committee) if referred else members_of(anchored(committee)),
            committee.member_metrics if referred else members_of(committee),
            portable(dataset, "starts.h5"),
            seed=seed,
            calibration=calibration,
            iteration=iteration,
        )
        plan.name = "plan md"
        return Flow([plan], output=plan.output, name=self.name)

    @fan_out_job
    @recorded(ExplorationDoc)
    def plan(
        self,
        committee: Any,
        counted: Sequence[Any],
        dataset: Any,
        *,
        seed: int,
        calibration: Any,
        iteration: int,
    ) -> Response:
        """
        Draw starts, conditions and members, and add the trajectories' jobs.

        Parameters
        ----------
        committee
            A Pointer to it, or the list of its members.
        counted
            As long as the committee.
        dataset, seed, calibration, iteration
            See :meth:`make`.
        """
        frames = Dataset.load(dataset)
        by_member = self._trajectories(frames, len(counted), seed)
        jobs, planned = [], []
        shared = self._shared(sum(map(len, by_member.values())))
        for member, trajectories in by_member.items():
            for group in batched(trajectories, shared):
                needed = self._needed(committee, member)
                jobs.append(self._md_job(frames, group, needed, member, calibration))
                planned.append(len(group))
        collect = self.collect(
            [job.output for job in jobs],
            planned=planned,
            iteration=iteration,
            jobs=[job.uuid for job in jobs],
        )
        collect.name = "collect frames"
        Spare.give(jobs, collect)
        return continue_with(jobs, collect, ExplorationDoc)

    def _trajectories(
        self, frames: Dataset, n_members: int, seed: int
    ) -> dict[int, list[tuple[int, Conditions]]]:
        """Draw: for each member that drives, starts (as indices) and conditions."""
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
        turns = drivers(self.member, len(drawn), n_members, derive_rng(seed, "member"))
        by_member: dict[int, list[tuple[int, Conditions]]] = {}
        for i, ((start, kelvin, kbar), members) in enumerate(
            zip(drawn, turns, strict=True)
        ):
            for member in members:
                conditions = self.md_maker.conditions(
                    kelvin, kbar, derive_seed(seed, "trajectory", i, member)
                )
                by_member.setdefault(member, []).append((starts[start], conditions))
        return by_member

    def _needed(self, committee: Any, member: int) -> Any:
        """Return the driving model, and the others only to a checked trajectory."""
        everything = self.md_maker.check_interval is not None
        if isinstance(committee, Pointer):
            members = committee.reference.members
            return members if everything else [members[member].model]
        return committee if everything else [committee[member]]

    def _md_job(
        self,
        frames: Dataset,
        group: Sequence[tuple[int, Conditions]],
        committee: Any,
        member: int,
        calibration: Any,
    ) -> Job:
        starts = frames[np.array([start for start, _ in group])].without_labels()
        return self.md_maker.make_several(
            starts,
            [conditions for _, conditions in group],
            committee,
            member=member,
            calibration=calibration,
        )

    @deciding_job
    @recorded(ExplorationDoc)
    def collect(
        self,
        batches: Sequence[MDBatchDoc | None],
        *,
        planned: Sequence[int],
        iteration: int = 0,
        jobs: Sequence[str] = (),
        earlier: Sequence[MDBatchDoc | None] = (),
        spare: Spare | None = None,
    ) -> ExplorationDoc | Response:
        """
        Join the trajectories' frames, once they have done their steps.

        Parameters
        ----------
        batches
            Outputs of the trajectories' jobs; None for a job that failed.
        planned
            Trajectories of each job.
        iteration
            Recorded with every frame.
        jobs
            Uuids of the jobs.
        earlier
            For each job that went on with the trajectories of another, what that one
            has left.
        spare
            The trajectories' jobs: those that failed are sent once more, and those
            that ran out of time go on.
        """
        started = time.perf_counter()
        if (again := _next_round(batches, spare)) is not None:
            return again
        if earlier:  # a job that was killed has not undone what there was before
            batches = [b or e for b, e in zip(batches, earlier, strict=True)]
        if failures := [each.failure for each in batches if each and each.failure]:
            raise ArtifactError(failures[0])
        runs = [run for batch in batches if batch is not None for run in batch.runs]
        reasons = [reason_of(job) or "its job failed" for job in jobs]
        reasons = reasons or ["its job failed"] * len(planned)
        lost = [
            why
            for batch, n, why in zip(batches, planned, reasons, strict=True)
            if batch is None
            for _ in range(n)
        ]
        short = [run for run in runs if run.state == "out of time"]
        full = [run for run in runs if run.dataset is not None]
        sampled = [Dataset.load(run.dataset) for run in full]
        strides = [
            decorrelated_stride(run, self.equilibration)
            if self.stride == "auto"
            else self.stride
            for run in full
        ]
        frames = collect_frames(sampled, self.equilibration, strides)
        if len(frames) and (self.detect_vacuum or not frames.pbc.all()):
            frames = Dataset.from_atoms(
                (
                    restore_vacuum(atoms, self.vacuum, detect=self.detect_vacuum)
                    for atoms in frames
                ),
                labels=False,
            )
        return ExplorationDoc(
            dataset=frames.with_info(iteration=iteration).to_artifact("explored.h5"),
            n_frames=len(frames),
            n_sampled=sum(map(len, sampled)),
            n_runs=sum(planned),
            n_failed=len(lost) + sum(run.state == "failed" for run in runs),
            n_steps=sum(run.n_steps for run in runs),
            n_short=len(short),
            n_steps_missing=sum(self.md_maker.n_steps - run.n_steps for run in short),
            halted=dict(Counter(run.halted for run in runs if run.halted)),
            failures=failures_of(runs, lost, self.md_maker.n_steps),
            members=sorted({run.member for run in runs}),
            md_seconds=sum(run.seconds for run in runs),
            seconds=time.perf_counter() - started,
            versions=package_versions(*self.md_maker.packages),
        )


def _next_round(
    batches: Sequence[MDBatchDoc | None], spare: Spare | None
) -> Response | None:
    """
    Send lost jobs once more, and let trajectories that ran out of time go on.

    None where there is nothing more to be done: also where no trajectory came any
    further since the last time.
    """
    if spare is None:
        return None
    lost = [
        i
        for i, batch in enumerate(batches)
        if (not batch or batch.failure) and spare.resends
    ]
    unfinished = [
        i
        for i, batch in enumerate(batches)
        if batch and any(run.unfinished for run in batch.runs)
    ]
    reached = sum(run.n_steps for batch in batches if batch for run in batch.runs)
    going = unfinished if reached > spare.reached else []
    if not going and not lost:
        return None
    return spare.go_on(going, lost, ExplorationDoc, reached)
