"""Run trajectories, those again that broke down at once, and read them back."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms

from flowpot.exploration.document import MDDoc
from flowpot.exploration.lammps.result import md_document
from flowpot.exploration.lammps.run import RESULT_FILE, Outcome, Run, write_run
from flowpot.randomness import derive_seed

Runner = Callable[[Sequence[Path]], list[Outcome]]
"""Runs what ``run.write_run`` has written to the folders."""

RETRIES = 2


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
    """

    run: Run
    start: Atoms
    parent: str
    folder: Path
    attempt: int = 0

    def retried(self) -> "Trajectory":
        """
        Give the same trajectory with half the timestep and a new seed.

        Halving keeps the number of steps, and so the number of sampled frames.
        """
        attempt = self.attempt + 1
        conditions = replace(
            self.run.conditions,
            timestep=self.run.conditions.timestep / 2,
            seed=derive_seed(self.run.conditions.seed, "retry", attempt),
        )
        name = self.folder.name.partition("-retry-")[0]
        return replace(
            self,
            run=replace(self.run, conditions=conditions),
            folder=self.folder.with_name(f"{name}-retry-{attempt}"),
            attempt=attempt,
        )


def simulate(trajectories: Sequence[Trajectory], runner: Runner) -> list[MDDoc]:
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
    """
    current = list(trajectories)
    for each in current:
        write_run(each.folder, each.run, each.start)
    outcomes = runner([each.folder for each in current])
    for _ in range(RETRIES):
        again = [
            i for i, each in enumerate(current) if broke_at_once(each, outcomes[i])
        ]
        if not again:
            break
        for i in again:
            current[i] = current[i].retried()
            write_run(current[i].folder, current[i].run, current[i].start)
        found = runner([current[i].folder for i in again])
        for i, outcome in zip(again, found, strict=True):
            outcomes[i] = outcome
    return [
        md_document(each.folder, each.run, each.start, outcome, each.parent).model_copy(
            update={"attempts": each.attempt + 1}
        )
        for each, outcome in zip(current, outcomes, strict=True)
    ]


def broke_at_once(trajectory: Trajectory, outcome: Outcome) -> bool:
    """
    Whether a smaller timestep may help: a breakdown before the first sampled frame.

    A halt for disagreement is no breakdown, and one at step 0 is the start's fault.
    """
    return (
        outcome.halted is not None
        and not outcome.halted.startswith("disagreement")
        and 0 < outcome.n_steps <= trajectory.run.output.sample_interval
    )


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
