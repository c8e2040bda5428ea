"""Start driver processes, which end with this process."""

import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from flowpot.exploration.lammps.run import read_outcome, write_outcome
from flowpot.exploration.outcome import Outcome
from flowpot.potentials.device import allocator_variables
from flowpot.potentials.gpus import gpu_variables
from flowpot.processes import Command, Ended, run_together
from flowpot.settings import get_settings

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
            _driver(share, threads, gpu)
            for share, gpu in zip(shares, _gpus(len(shares)), strict=True)
        ]
        for share, end in zip(shares, run_together(drivers, deadline), strict=True):
            ended |= dict.fromkeys(share, end)
    return [_outcome(folder, ended.get(folder)) for folder in folders]


def _gpus(n: int) -> list[dict[str, str]]:
    """Return the variables that show drivers a GPU each, if there is a choice."""
    device = get_settings().DEVICE
    if n == 1 or ":" in device or find_spec("torch") is None:
        return [{}] * n  # a driver uses the setting's GPU itself
    return gpu_variables(device, n)


def _driver(folders: Sequence[Path], threads: int, gpu: dict[str, str]) -> Command:
    """Return the command of a driver that runs folders one after the other."""
    return Command(
        [sys.executable, "-m", _DRIVER, *map(str, folders)],
        folders[0],
        output=folders[0] / LAUNCH_LOG,
        environment={
            **allocator_variables(),
            **gpu,
            "OMP_NUM_THREADS": str(threads),
        },
    )


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
