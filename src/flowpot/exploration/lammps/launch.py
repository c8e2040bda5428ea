"""Start driver processes, which end with this process."""

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
    Run trajectories in several driver processes at a time.

    Parameters
    ----------
    folders
        Folders of the runs, written by ``run.write_run``.
    processes
        Number of processes that share the folders. Each loads a model once.
    threads
        Number of threads of each process.
    timeout
        Wall time (s) after which processes that still run are ended. None: never.
    attempts
        How often a run is started whose process was killed: it goes on from its
        restart files.

    Returns
    -------
    list[Outcome]
        Outcome of each folder, in order; a run that never ended has an ``error``.
    """
    deadline = time.monotonic() + timeout if timeout else None
    ended: dict[Path, Ended] = {}
    for _ in range(attempts):
        todo = [f for f in folders if read_outcome(f) is None]
        late = deadline is not None and time.monotonic() > deadline
        if not todo or late:
            break
        shares = [share for i in range(processes) if (share := todo[i::processes])]
        drivers = [
            Command(
                [sys.executable, "-m", _DRIVER, *map(str, share)],
                share[0],
                output=share[0] / LAUNCH_LOG,
                environment={"OMP_NUM_THREADS": str(threads)},
            )
            for share in shares
        ]
        for share, end in zip(shares, run_together(drivers, deadline), strict=True):
            ended |= dict.fromkeys(share, end)
    return [_outcome(folder, ended.get(folder)) for folder in folders]


def _outcome(folder: Path, ended: Ended | None) -> Outcome:
    outcome = read_outcome(folder)
    if outcome is None:
        status = "out of time" if ended is None else ended.status
        outcome = Outcome(
            error=f"the driver was ended before the run was done: {status} (see "
            f"{LAUNCH_LOG} and log.lammps in {folder})"
            + (f"; its output ends:\n{ended.last_lines}" if ended else "")
        )
        write_outcome(folder, outcome)
    return outcome
