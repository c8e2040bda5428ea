"""Join the frames of many trajectories into the document of an exploration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.vacuum import restore_vacuum
from flowpot.exploration.correlation import correlation_after
from flowpot.exploration.document import ExplorationDoc, MDDoc, MDFailure
from flowpot.exploration.plan import ExplorationPlan

T = TypeVar("T")


def exploration_document(
    plan: ExplorationPlan, runs: Sequence[MDDoc], lost: Sequence[str], iteration: int
) -> ExplorationDoc:
    """
    Join the frames of trajectories, and count what there was.

    Parameters
    ----------
    plan
        Settings of the exploration.
    runs
        The trajectories that have a document.
    lost
        For each trajectory that has none, the reason.
    iteration
        Iteration that is recorded with every frame.
    """
    short = [run for run in runs if run.state == "out of time"]
    sampled = [run for run in runs if run.dataset is not None]
    datasets = [Dataset.load(run.dataset) for run in sampled]
    strides = [
        decorrelated_stride(run, plan.equilibration)
        if plan.stride == "auto"
        else plan.stride
        for run in sampled
    ]
    frames = collect_frames(datasets, plan.equilibration, strides)
    if len(frames) and (plan.detect_vacuum or not frames.pbc.all()):
        restored = (
            restore_vacuum(atoms, plan.vacuum, detect=plan.detect_vacuum)
            for atoms in frames
        )
        frames = Dataset.from_atoms(restored, labels=False)
    return ExplorationDoc(
        dataset=frames.with_info(iteration=iteration).to_artifact("explored.h5"),
        n_frames=len(frames),
        n_sampled=sum(map(len, datasets)),
        n_runs=len(runs) + len(lost),
        n_failed=len(lost) + sum(run.state == "failed" for run in runs),
        n_steps=sum(run.n_steps for run in runs),
        n_short=len(short),
        n_steps_missing=sum(plan.md_maker.n_steps - run.n_steps for run in short),
        halted=dict(Counter(run.halted for run in runs if run.halted)),
        failures=failures_of(runs, lost, plan.md_maker.n_steps),
        members=sorted({run.member for run in runs}),
        md_seconds=sum(run.seconds for run in runs),
    )


def collect_frames(
    sampled: Sequence[Dataset], equilibration: int, strides: Sequence[int]
) -> Dataset:
    """
    Join trajectories without their equilibration, thinned, each frame once.

    Parameters
    ----------
    sampled
        Frames of each trajectory, with ``md_step`` and ``candidate``.
    equilibration
        First step whose frame is kept.
    strides
        For each trajectory, every how many-th frame is kept, counted from the last.
        Candidates, the last physical frames before a halt, are kept in any case.

    Returns
    -------
    Dataset
        The frames, without duplicates.
    """
    kept = []
    for frames, stride in zip(sampled, strides, strict=True):
        late = frames[frames.info["md_step"] >= equilibration]
        due = np.arange(len(late))[::-1] % stride == 0
        kept.append(late[due | late.info["candidate"]])
    return Dataset.concatenate(kept).deduplicate()


def decorrelated_stride(run: MDDoc, equilibration: int) -> int:
    """
    Return how many sampled frames apart two statistically independent ones are.

    Parameters
    ----------
    run
        The trajectory. The correlation is that of its potential energy.
    equilibration
        First step that counts.

    Returns
    -------
    int
        1 where its log was too short to tell.
    """
    share = equilibration / max(run.n_steps, 1)
    steps = correlation_after(run.correlation, share)
    if steps is None or run.n_frames < 2:  # noqa: PLR2004
        return 1
    return max(1, round(steps / (run.n_steps / run.n_frames)))


def failures_of(
    runs: Sequence[MDDoc], lost: Sequence[str], n_steps: int
) -> list[MDFailure]:
    """
    List the trajectories that failed or ran out of time, and the reasons.

    Parameters
    ----------
    runs
        The trajectories that have a document.
    lost
        For each trajectory that has none, the reason.
    n_steps
        Number of steps of a complete trajectory.
    """
    failed = [
        MDFailure(
            trajectory=run.trajectory,
            parent=run.parent,
            reason=run.reason
            or f"out of time after {run.n_steps} of {n_steps} steps: give the "
            "md_maker a longer walltime",
            folder=run.folder,
        )
        for run in runs
        if run.state in ("failed", "out of time")
    ]
    return failed + [MDFailure(trajectory="", parent="", reason=r) for r in lost]


def batched(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items, as itertools.batched of Python 3.12 does."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
