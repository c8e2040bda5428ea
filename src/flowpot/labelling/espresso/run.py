"""Running pw.x: one process, in one folder, that outlives nobody."""

import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from flowpot.labelling.espresso.command import PwCommand
from flowpot.labelling.espresso.namelists import INPUT_FILE

OUTPUT_FILE = "pw.out"
ERROR_FILE = "pw.err"

_LOOK = 0.5  # s between looks at whether the run is to be ended
_GRACE = 5.0  # s that pw.x gets to end by itself


@dataclass(frozen=True)
class PwProcess:
    """How a run of pw.x ended: exit status, and whether its time had run out."""

    returncode: int
    timed_out: bool

    @property
    def was_killed(self) -> bool:
        """Whether someone else killed it; launchers report 128 + 9."""
        killed = self.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        return killed and not self.timed_out


def run_pw(
    folder: Path,
    argv: list[str],
    *,
    timeout: float | None = None,
    stop: Event | None = None,
    watch: Callable[[], bool] | None = None,
) -> PwProcess:
    """
    Run pw.x in a folder and wait for it.

    Parameters
    ----------
    folder
        Where the input file is and the output goes. The current folder of this process
        plays no part, so threads may run several at once.
    argv
        The command in words, without the input file.
    timeout
        Seconds after which it is ended. None: no limit.
    stop
        Set by another thread to end it early.
    watch
        Looks at the run every now and then until it has seen enough and says so; what
        it raises ends the run.

    Notes
    -----
    pw.x gets a session of its own, which is ended as a whole when this function is
    left by an exception (Ctrl-C) or the time is up. Where the parent is killed outright
    Linux ends it, through ``setpriv --pdeathsig``: there are no orphans.
    """
    guard = shutil.which("setpriv")
    guarded = [guard, "--pdeathsig", "TERM", *argv] if guard else argv
    with (
        (folder / OUTPUT_FILE).open("wb") as output,
        (folder / ERROR_FILE).open("wb") as errors,
    ):
        process = subprocess.Popen(
            [*guarded, "-in", INPUT_FILE],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=_environment(argv),
            start_new_session=True,
        )
        try:
            timed_out = not _wait(process, timeout, stop, watch)
        finally:
            _end(process)
    return PwProcess(process.returncode, timed_out)


def _environment(argv: list[str]) -> dict[str, str]:
    """
    Give pw.x its environment: one thread a process, and no search for a network.

    A serial pw.x linked to Open MPI spends 0.3 s on looking for transports and for a
    daemon of its own; these settings, which other MPIs ignore, reduce that to 0.03 s.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if PwCommand(shlex.join(argv)).launcher is None:
        environment.setdefault("OMPI_MCA_ess_singleton_isolated", "1")
        environment.setdefault("OMPI_MCA_pml", "ob1")
        environment.setdefault("OMPI_MCA_btl", "self")
    return environment


def _wait(
    process: subprocess.Popen[bytes],
    timeout: float | None,
    stop: Event | None,
    watch: Callable[[], bool] | None,
) -> bool:
    """Wait for the end; False where the time ran out."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        waits = [] if deadline is None else [max(deadline - time.monotonic(), 0.0)]
        if stop is not None or watch is not None:
            waits.append(_LOOK)
        if _has_ended(process, min(waits, default=None)):
            return True
        if stop is not None and stop.is_set():
            raise InterruptedError("pw.x was stopped by its batch")
        if watch is not None and watch():
            watch = None
        if deadline is not None and time.monotonic() >= deadline:
            return False


def _has_ended(process: subprocess.Popen[bytes], seconds: float | None) -> bool:
    """Wait for the end, for so long at most: at once, where ``wait`` would poll."""
    if seconds is None or not hasattr(os, "pidfd_open"):
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    descriptor = os.pidfd_open(process.pid)
    try:
        ends = select.poll()
        ends.register(descriptor, select.POLLIN)
        ended = bool(ends.poll(1000 * seconds))
    finally:
        os.close(descriptor)
    if ended:
        process.wait()
    return ended


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the session: politely, then not."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
