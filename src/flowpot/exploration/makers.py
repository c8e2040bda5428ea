"""The exploration stage as a Flow: plan, run, collect."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jobflow import Flow, Job, Maker, OutputReference, Response

from flowpot.dataset import Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.documents import package_versions
from flowpot.exploration.collection import (
    batched,
    collect_frames,
    decorrelated_stride,
    failures_of,
)
from flowpot.exploration.document import ExplorationDoc, MDBatchDoc
from flowpot.exploration.lammps.conditions import Conditions
from flowpot.exploration.lammps.makers import LammpsMDMaker, portable
from flowpot.exploration.lammps.members import members_of
from flowpot.exploration.starts import (
    MEMBER_CHOICES,
    SAMPLINGS,
    MemberChoice,
    Sampling,
    draw_conditions,
    draw_starts,
    drivers,
)
from flowpot.exploration.vacuum import restore_vacuum
from flowpot.failures import reason_of, recorded
from flowpot.jobs import Pointer, Spare, continue_with, deciding_job, fan_out_job
from flowpot.randomness import derive_rng, derive_seed


@dataclass
class ExplorationMaker(Maker):
    """
    Explore with molecular dynamics and collect the sampled frames.

    Parameters
    ----------
    name
        Of the Flow.
    md_maker
        Of the trajectories.
    n_starts
        Frames drawn from the dataset to start from.
    temperatures, pressures
        K and kbar; how they are used is ``sampling``'s.
    sampling
        ``"range"``: uniform between the smallest and the largest. ``"list"``: one of
        the values. ``"grid"``: every start at every temperature and pressure.
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
        Kinds of frames to start from; None for all that are not from MD.
    runs_per_job
        Trajectories that share a job and its loaded model, ``md_maker.processes``
        of them at a time.
    """

    name: str = "exploration"
    md_maker: LammpsMDMaker = field(default_factory=LammpsMDMaker)
    n_starts: int = 20
    temperatures: Sequence[float] = (0.0, 1000.0)
    pressures: Sequence[float] = (-5.0, 5.0)
    sampling: Sampling = "range"
    equilibration: int = 0
    stride: int | Literal["auto"] = 1
    vacuum: float = 15.0
    detect_vacuum: float | None = None
    member: MemberChoice = "random"
    config_types: Sequence[str] | None = None
    runs_per_job: int = 1

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        for name, value, allowed in (
            ("sampling", self.sampling, SAMPLINGS),
            ("member", self.member, MEMBER_CHOICES),
        ):
            if value not in allowed:
                raise ValueError(
                    f"{name} is {value!r}: use one of {', '.join(allowed)}"
                )
        for name in ("n_starts", "stride", "runs_per_job"):
            if (value := getattr(self, name)) != "auto" and value < 1:
                raise ValueError(f"{name} is {value}: use 1 or more")
        if not len(self.temperatures) or not len(self.pressures):
            raise ValueError("temperatures and pressures: give at least one of each")
        if min(self.temperatures) < 0:
            raise ValueError(
                f"temperatures are {list(self.temperatures)} K: use 0 or more"
            )
        if not 0 <= self.equilibration < self.md_maker.n_steps:
            raise ValueError(
                f"equilibration is {self.equilibration} and the runs have "
                f"{self.md_maker.n_steps} steps: leave some to sample from"
            )

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
            :meth:`LammpsMDMaker.make` takes.
        dataset
            Frames to start from.
        seed
            From which all draws are derived.
        calibration
            Of the last evaluation, for trajectories that are checked.
        iteration
            For the record.
        """
        referred = isinstance(committee, OutputReference)
        plan = self.plan(
            # A reference would be resolved here, and its models copied into the
            # trajectories' jobs. A list of small numbers waits for it instead.
            Pointer.to(committee) if referred else members_of(committee),
            committee.member_metrics if referred else members_of(committee),
            portable(dataset),
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
        for member, trajectories in by_member.items():
            for group in batched(trajectories, self.runs_per_job):
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
        )
        drawn = draw_conditions(
            len(starts),
            self.temperatures,
            self.pressures,
            self.sampling,
            derive_rng(seed, "conditions"),
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
        """Give the driving model, and the others only to a checked trajectory."""
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
        spare: Spare | None = None,
    ) -> ExplorationDoc | Response:
        """
        Join the trajectories' frames.

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
        spare
            The trajectories' jobs: those that failed are sent once more.
        """
        started = time.perf_counter()
        failed = [i for i, batch in enumerate(batches) if not batch or batch.failure]
        if failed and spare is not None:
            return spare.send(failed, ExplorationDoc)
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
            halted=dict(Counter(run.halted for run in runs if run.halted)),
            failures=failures_of(runs, lost),
            members=sorted({run.member for run in runs}),
            md_seconds=sum(run.seconds for run in runs),
            seconds=time.perf_counter() - started,
            versions=package_versions("lammps"),
        )
