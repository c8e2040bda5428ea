"""Run trajectories, retry those that broke down at once, and read them back."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms
from monty.serialization import loadfn

from flowpot.exploration.document import MDDoc
from flowpot.exploration.lammps.run import (
    LIMIT_FILE,
    PLAN_FILE,
    RESULT_FILE,
    Run,
    allow,
    unpack,
    write_run,
)
from flowpot.exploration.lammps.trajectory import md_document
from flowpot.exploration.outcome import RETRIES, Outcome, gentler
from flowpot.run_cache import RunCache

Runner = Callable[[Sequence[Path]], list[Outcome]]
"""Runs the folders that ``run.write_run`` has written, and returns their outcomes."""


@dataclass(frozen=True)
class Trajectory:
    """
    A trajectory to be run.

    Attributes
    ----------
    run, start
        What is run, and the frame that it begins with.
    parent
        Fingerprint of the frame that the start was made from.
    folder
        Folder where it runs.
    attempt
        Number of attempts before this one.
    earlier
        Document of a job in which it ran out of time. None: it begins here.
    """

    run: Run
    start: Atoms
    parent: str
    folder: Path
    attempt: int = 0
    earlier: MDDoc | None = None

    def written(self) -> "Trajectory":
        """
        Write its folder, with the files of an earlier job that ran out of time.

        Returns
        -------
        Trajectory
            The trajectory in the folder: if the earlier job had retried it, it goes
            on with the conditions of the last attempt.
        """
        if self.earlier is None or self.earlier.checkpoint is None:
            write_run(self.folder, self.run, self.start)
            return self
        unpack(self.earlier.checkpoint, self.folder)
        kept = loadfn(self.folder / PLAN_FILE).conditions
        run = replace(self.run, conditions=kept)
        write_run(self.folder, run, self.start)
        return replace(self, run=run, attempt=self.earlier.attempts - 1)

    def seconds_left(self, begun: float) -> float | None:
        """Return what is left of the walltime of its job; None if it has none."""
        walltime = self.run.walltime
        return None if walltime is None else walltime - (time.monotonic() - begun)

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
    Run trajectories, and return the document of each, in order.

    A trajectory that breaks down before its first sampled frame is retried, at most
    ``RETRIES`` times; the document is that of the last attempt.

    Parameters
    ----------
    trajectories
        The trajectories.
    runner
        Function that runs their folders.
    cache
        Folder of a :class:`flowpot.run_cache.RunCache`. None: runs that are killed
        with their job are lost.
    """
    if cache is None:
        return _simulate(trajectories, runner, None)
    with RunCache(cache) as run_cache:
        documents = _simulate(trajectories, runner, run_cache)
        for folder in run_cache.runs:
            run_cache.release(folder)
    return documents


def _simulate(
    trajectories: Sequence[Trajectory], runner: Runner, cache: RunCache | None
) -> list[MDDoc]:
    begun = time.monotonic()
    current = [_write(trajectory, cache) for trajectory in trajectories]
    for trajectory in current:
        allow(trajectory.folder, None)
    outcomes = runner([trajectory.folder for trajectory in current])
    for _ in range(RETRIES):
        again = [
            i
            for i, trajectory in enumerate(current)
            if broke_at_once(trajectory, outcomes[i]) and _has_time(trajectory, begun)
        ]
        if not again:
            break
        for i in again:
            current[i] = _write(current[i].retried(), cache)
            allow(current[i].folder, current[i].seconds_left(begun))
        new_outcomes = runner([current[i].folder for i in again])
        for i, outcome in zip(again, new_outcomes, strict=True):
            outcomes[i] = outcome
    documents = []
    for trajectory, outcome in zip(current, outcomes, strict=True):
        given = (trajectory.run, trajectory.start, outcome, trajectory.parent)
        document = md_document(trajectory.folder, *given)
        # Of the whole trajectory, also of what ran in other jobs.
        before = trajectory.earlier.seconds if trajectory.earlier else 0.0
        whole = {
            "attempts": trajectory.attempt + 1,
            "seconds": outcome.seconds + before,
        }
        documents.append(document.model_copy(update=whole))
    return documents


def _has_time(trajectory: Trajectory, begun: float) -> bool:
    left = trajectory.seconds_left(begun)
    return left is None or left > 0


def _write(trajectory: Trajectory, cache: RunCache | None) -> Trajectory:
    """Write the folder of a trajectory, or take it over from a killed job."""
    written = trajectory.written()
    if cache is not None:
        cache.adopt(written.folder)
    return written


def broke_at_once(trajectory: Trajectory, outcome: Outcome) -> bool:
    """Return whether a trajectory is to be retried with a smaller timestep."""
    interval = trajectory.run.output.sample_interval
    return trajectory.attempt < RETRIES and outcome.broke_at_once(interval)


def take_up(previous: Path, folder: Path) -> None:
    """
    Copy an interrupted run to another folder, where it will go on.

    Parameters
    ----------
    previous
        Folder of the run, with its restart files, frames and log.
    folder
        The other folder, which must not exist.

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
    shutil.copytree(
        previous, folder, ignore=shutil.ignore_patterns(RESULT_FILE, LIMIT_FILE)
    )
