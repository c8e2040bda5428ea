"""Frames of many trajectories, joined."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from flowpot.dataset import Dataset
from flowpot.exploration.document import MDDoc, MDFailure

T = TypeVar("T")


def collect_frames(
    sampled: Sequence[Dataset], equilibration: int, stride: int
) -> Dataset:
    """
    Join trajectories without their equilibration, thinned, each frame once.

    Parameters
    ----------
    sampled
        Frames of each trajectory, with ``md_step`` and ``candidate``.
    equilibration
        First step whose frame is kept.
    stride
        Every how many-th frame is kept. Candidates, the last sane frames before a
        halt, are kept whatever the stride.
    """
    kept = []
    for frames in sampled:
        late = frames[frames.info["md_step"] >= equilibration]
        due = np.arange(len(late))[::-1] % stride == 0  # the last one is the farthest
        kept.append(late[due | late.info["candidate"]])
    return Dataset.concatenate(kept).deduplicate()


def failures_of(runs: Sequence[MDDoc], n_lost: int) -> list[MDFailure]:
    """List the trajectories that did not run, and those whose job failed."""
    failed = [
        MDFailure(
            trajectory=run.trajectory,
            parent=run.parent,
            reason=run.reason or "",
            folder=run.folder,
        )
        for run in runs
        if run.state == "failed"
    ]
    lost = MDFailure(trajectory="", parent="", reason="its job failed")
    return failed + [lost] * n_lost


def batched(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cut a sequence into lists of at most ``size`` (itertools has it from 3.12)."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
