"""Start driver processes, and leave none behind."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flowpot.exploration.lammps.run import read_outcome, write_outcome
from flowpot.exploration.outcome import Outcome
from flowpot.processes import Command, Ended, run_together

LAUNCH_LOG = "driver.log"
_DRIVER = "flowpot.exploration.lammps.driver"


def run_drivers(
    folders: Sequence[Path],
    *,
    processes: int = 1,
    threads: int = 1,
    timeout: float | None = None,
    attempts: int = 2,
) -> list[Outcome]:
    """
    Run trajectories, several processes at a time.

    Parameters
    ----------
    folders
        Written by ``run.write_run``.
    processes
        How many processes share the folders. Each loads a model once.
    threads
        Of each process.
    timeout
        Wall time (s) after which what still runs is ended.
    attempts
        How often processes are started for the folders that have no outcome because
        their process was killed: they go on from their restart files.

    Returns
    -------
    list[Outcome]
        One for each folder, in order; a run that never ended has an ``error``.
    """
    deadline = time.monotonic() + timeout if timeout else None
    ended: dict[Path, Ended] = {}
    for _ in range(attempts):
        left = [f for f in folders if read_outcome(f) is None]
        late = deadline is not None and time.monotonic() > deadline
        if not left or late:
            break
        lanes = [lane for i in range(processes) if (lane := left[i::processes])]
        drivers = [_driver(lane, threads) for lane in lanes]
        for lane, end in zip(lanes, run_together(drivers, deadline), strict=True):
            ended |= dict.fromkeys(lane, end)
    return [_outcome(folder, ended.get(folder)) for folder in folders]


def _driver(folders: Sequence[Path], threads: int) -> Command:
    """Make the command of a driver that runs some folders, one after the other."""
    return Command(
        [sys.executable, "-m", _DRIVER, *map(str, folders)],
        folders[0],
        output=folders[0] / LAUNCH_LOG,
        environment={"OMP_NUM_THREADS": str(threads)},
    )


def _outcome(folder: Path, ended: Ended | None) -> Outcome:
    outcome = read_outcome(folder)
    if outcome is None:
        why = "out of time" if ended is None else ended.status
        outcome = Outcome(
            error=f"the driver was ended before the run was done: {why} (see "
            f"{LAUNCH_LOG} and log.lammps in {folder})"
            + (f"; its output ends:\n{ended.last_lines}" if ended else "")
        )
        write_outcome(folder, outcome)
    return outcome
