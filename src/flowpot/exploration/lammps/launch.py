"""Start driver processes, and leave none behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flowpot.exploration.lammps.run import Outcome, read_outcome, write_outcome

LAUNCH_LOG = "driver.log"
_GRACE = 5.0  # s that a process is given to end by itself
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
    for _ in range(attempts):
        left = [f for f in folders if read_outcome(f) is None]
        late = deadline is not None and time.monotonic() > deadline
        if not left or late:
            break
        _run_lanes([left[i::processes] for i in range(processes)], threads, deadline)
    return [_outcome(folder) for folder in folders]


def _run_lanes(
    lanes: Sequence[Sequence[Path]], threads: int, deadline: float | None
) -> None:
    with ExitStack() as stack:
        running = [
            stack.enter_context(_driver(lane, threads)) for lane in lanes if lane
        ]
        for process in running:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                process.wait(left)
            except subprocess.TimeoutExpired:
                break


@contextmanager
def _driver(folders: Sequence[Path], threads: int) -> Iterator[subprocess.Popen]:
    """
    Start a driver in a session of its own, gone when the block is left.

    Ctrl-C in a terminal reaches this process only, which then ends the driver: by
    name, with whatever it started.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with (folders[0] / LAUNCH_LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _DRIVER, *map(str, folders)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _outcome(folder: Path) -> Outcome:
    outcome = read_outcome(folder)
    if outcome is None:
        outcome = Outcome(
            error="the driver was ended before the run was done: out of time, out of "
            f"memory, or killed (see {LAUNCH_LOG} and log.lammps in {folder})"
        )
        write_outcome(folder, outcome)
    return outcome
