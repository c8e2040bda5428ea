"""The exploration stage as a Flow: plan, run, collect."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jobflow import Flow, Maker, OutputReference, Response

from flowpot.dataset import Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.dataset.portable import portable
from flowpot.documents import package_versions, reason_of, recorded
from flowpot.exploration.collection import batched, exploration_document
from flowpot.exploration.document import ExplorationDoc, MDBatchDoc
from flowpot.exploration.members import anchored
from flowpot.exploration.plan import ExplorationPlan
from flowpot.jobs import (
    JobName,
    Pointer,
    RetrySpec,
    continue_with,
    deciding_job,
    fan_out_job,
)
from flowpot.potentials import members_of
from flowpot.validation import seed as check_seed


@dataclass
class ExplorationMaker(ExplorationPlan, Maker):
    """
    Explore with molecular dynamics and collect the sampled frames.

    Parameters
    ----------
    name
        Name of the Flow.
    md_maker
        The engine of the trajectories.
    n_starts
        Number of frames drawn from the dataset to start from.
    temperatures, pressures
        K and kbar; how they are used is up to ``sampling``. A pair among them is a
        ramp from the first to the second. None: those of the `md_maker`.
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
        job takes a negligible part of its time.
    schedule
        What changes from iteration to iteration; the last change holds for all that
        follow. Each changes the fields here, not those of the change before.
    """

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
            Seed from which all draws are derived.
        calibration
            Calibration of the last evaluation, for trajectories that are checked.
        iteration
            Iteration, counted from 1: it chooses from the schedule, and is recorded.

        Returns
        -------
        Flow
            Its output is an :class:`ExplorationDoc`.
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
        plan.name = JobName.PLAN_MD.value
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
            A Pointer to the committee, or the list of its members.
        counted
            Any list that is as long as the committee.
        dataset, seed, calibration, iteration
            See :meth:`make`.
        """
        frames = Dataset.load(dataset)
        by_member = self.trajectories(frames, len(counted), seed)
        jobs, planned = [], []
        shared = self.runs_of_a_job(sum(map(len, by_member.values())))
        for member, trajectories in by_member.items():
            for group in batched(trajectories, shared):
                starts = frames[np.array([start for start, _ in group])]
                jobs.append(
                    self.md_maker.make_several(
                        starts.without_labels(),
                        [conditions for _, conditions in group],
                        self._needed(committee, member),
                        member=member,
                        calibration=calibration,
                    )
                )
                planned.append(len(group))
        collect = self.collect(
            [job.output for job in jobs],
            planned=planned,
            iteration=iteration,
            jobs=[job.uuid for job in jobs],
        )
        collect.name = JobName.COLLECT_FRAMES.value
        RetrySpec.give(jobs, collect)
        return continue_with(jobs, collect, ExplorationDoc)

    def _needed(self, committee: Any, member: int) -> Any:
        """Return the driving member, and the others only to a checked trajectory."""
        everything = self.md_maker.check_interval is not None
        if isinstance(committee, Pointer):
            members = committee.reference.members
            return members if everything else [members[member]]
        return committee if everything else [committee[member]]

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
        retry: RetrySpec | None = None,
    ) -> ExplorationDoc | Response:
        """
        Join the trajectories' frames, once they have done their steps.

        Parameters
        ----------
        batches
            Outputs of the trajectories' jobs; None for a job that failed.
        planned
            Number of trajectories of each job.
        iteration
            Iteration that is recorded with every frame.
        jobs
            Uuids of the jobs.
        earlier
            For each job that went on with the trajectories of another, the output of
            that other job.
        retry
            The trajectories' jobs: those that failed are sent once more, and those
            that ran out of time go on.

        Raises
        ------
        ArtifactError
            If a job could not read its frames or models.
        """
        started = time.perf_counter()
        if (again := _next_round(batches, retry)) is not None:
            return again
        if earlier:  # a killed job has not undone the earlier output
            batches = [b or e for b, e in zip(batches, earlier, strict=True)]
        if failures := [batch.failure for batch in batches if batch and batch.failure]:
            raise ArtifactError(failures[0])
        reasons = [reason_of(job) or "its job failed" for job in jobs]
        reasons = reasons or ["its job failed"] * len(planned)
        lost = [
            reason
            for batch, n, reason in zip(batches, planned, reasons, strict=True)
            if batch is None
            for _ in range(n)
        ]
        runs = [run for batch in batches if batch is not None for run in batch.runs]
        document = exploration_document(self, runs, lost, iteration)
        return document.model_copy(
            update={
                "seconds": time.perf_counter() - started,
                "versions": package_versions(*self.md_maker.packages),
            }
        )


def _next_round(
    batches: Sequence[MDBatchDoc | None], retry: RetrySpec | None
) -> Response | None:
    """
    Send lost jobs once more, and let trajectories that ran out of time go on.

    None where there is nothing more to be done: also where no trajectory has advanced
    since the last time.
    """
    if retry is None:
        return None
    lost = [
        i
        for i, batch in enumerate(batches)
        if (not batch or batch.failure) and retry.resends
    ]
    unfinished = [
        i
        for i, batch in enumerate(batches)
        if batch and any(run.unfinished for run in batch.runs)
    ]
    reached = sum(run.n_steps for batch in batches if batch for run in batch.runs)
    going = unfinished if reached > retry.reached else []
    if not going and not lost:
        return None
    return retry.go_on(going, lost, ExplorationDoc, reached)
