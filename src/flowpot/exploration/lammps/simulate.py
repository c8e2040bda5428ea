"""Run trajectories, those again that broke down at once, and read them back."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms
from monty.serialization import loadfn

from flowpot.exploration.document import MDDoc
from flowpot.exploration.lammps.run import (
    PLAN_FILE,
    RESULT_FILE,
    Run,
    unpack,
    write_run,
)
from flowpot.exploration.lammps.trajectory import md_document
from flowpot.exploration.outcome import RETRIES, Outcome, gentler
from flowpot.run_cache import RunCache

Runner = Callable[[Sequence[Path]], list[Outcome]]
"""Runs what ``run.write_run`` has written to the folders."""


@dataclass(frozen=True)
class Trajectory:
    """
    A trajectory to be run.

    Attributes
    ----------
    run, start
        What is run, and from where.
    parent
        Fingerprint of the frame that the start was made from.
    folder
        Where it runs.
    attempt
        How often it was tried before.
    earlier
        What a job that ran out of time has left of it; None: it begins here.
    """

    run: Run
    start: Atoms
    parent: str
    folder: Path
    attempt: int = 0
    earlier: MDDoc | None = None

    def written(self) -> "Trajectory":
        """
        Write its folder, with what an earlier job has left of it.

        Returns
        -------
        Trajectory
            What is in the folder: one that was tried again goes on as it was then.
        """
        if self.earlier is None or self.earlier.checkpoint is None:
            write_run(self.folder, self.run, self.start)
            return self
        unpack(self.earlier.checkpoint, self.folder)
        kept = loadfn(self.folder / PLAN_FILE).conditions
        run = replace(self.run, conditions=kept)
        write_run(self.folder, run, self.start)
        return replace(self, run=run, attempt=self.earlier.attempts - 1)

    def retried(self) -> "Trajectory":
        """Return the same trajectory with half the timestep and a new seed."""
        attempt = self.attempt + 1
        conditions = gentler(self.run.conditions, attempt)
        name = self.folder.name.partition("-retry-")[0]
        return replace(
            self,
            run=replace(self.run, conditions=conditions),
            folder=self.folder.with_name(f"{name}-retry-{attempt}"),
            attempt=attempt,
            earlier=None,
        )


def simulate(
    trajectories: Sequence[Trajectory],
    runner: Runner,
    cache: Path | str | None = None,
) -> list[MDDoc]:
    """
    Run trajectories, and describe each, in order.

    One that breaks down before its first sampled frame is tried again, at most
    ``RETRIES`` times; the last try is what counts.

    Parameters
    ----------
    trajectories
        What to run.
    runner
        The engine.
    cache
        See :class:`flowpot.run_cache.RunCache`. None: runs that are killed with their
        job are lost.
    """
    if cache is None:
        return _simulate(trajectories, runner, None)
    with RunCache(cache) as kept:
        documents = _simulate(trajectories, runner, kept)
        for folder in kept.runs:
            kept.release(folder)
    return documents


def _simulate(
    trajectories: Sequence[Trajectory], runner: Runner, cache: RunCache | None
) -> list[MDDoc]:
    current = [_placed(each, cache) for each in trajectories]
    outcomes = runner([each.folder for each in current])
    for _ in range(RETRIES):
        again = [
            i for i, each in enumerate(current) if broke_at_once(each, outcomes[i])
        ]
        if not again:
            break
        for i in again:
            current[i] = _placed(current[i].retried(), cache)
        found = runner([current[i].folder for i in again])
        for i, outcome in zip(again, found, strict=True):
            outcomes[i] = outcome
    return [
        _document(each, outcome)
        for each, outcome in zip(current, outcomes, strict=True)
    ]


def _placed(trajectory: Trajectory, cache: RunCache | None) -> Trajectory:
    """Write a trajectory's folder, or find what a killed job has left of it."""
    placed = trajectory.written()
    if cache is not None:
        cache.adopt(placed.folder)
    return placed


def _document(trajectory: Trajectory, outcome: Outcome) -> MDDoc:
    """Describe a trajectory as a whole, whatever part of it ran here."""
    document = md_document(
        trajectory.folder,
        trajectory.run,
        trajectory.start,
        outcome,
        trajectory.parent,
    )
    before = trajectory.earlier.seconds if trajectory.earlier else 0.0
    return document.model_copy(
        update={
            "attempts": trajectory.attempt + 1,
            "seconds": outcome.seconds + before,
        }
    )


def broke_at_once(trajectory: Trajectory, outcome: Outcome) -> bool:
    """Whether it is to be tried again with a smaller timestep."""
    interval = trajectory.run.output.sample_interval
    return trajectory.attempt < RETRIES and outcome.broke_at_once(interval)


def take_up(previous: Path, folder: Path) -> None:
    """
    Copy an interrupted run, so that it goes on in another folder.

    Parameters
    ----------
    previous
        Folder of the run, with its restart files, frames and log.
    folder
        Where it is to go on; it must not exist.

    Raises
    ------
    FileNotFoundError
        If there is no such run.
    """
    if not previous.is_dir():
        raise FileNotFoundError(
            f"prev_dir is {str(previous)!r}, which is not a folder here: give the "
            "`folder` of the MDDoc that ran out of time, on the machine it ran on"
        )
    shutil.copytree(previous, folder, ignore=shutil.ignore_patterns(RESULT_FILE))
