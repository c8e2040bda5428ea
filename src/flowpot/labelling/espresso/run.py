"""Running pw.x: one process, in one folder, that outlives nobody."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from flowpot.labelling.espresso.inputs import INPUT_FILE

OUTPUT_FILE = "pw.out"
ERROR_FILE = "pw.err"

_STOP_CHECK = 0.5  # s between looks at whether another thread said stop
_GRACE = 5.0  # s that pw.x gets to end by itself
_LAUNCHERS = ("mpirun", "mpiexec", "orterun", "prterun", "srun", "aprun", "jsrun")
_RANKS = re.compile(r"(?:^|\s)(?:-np|-n|--np|--ntasks)(?:\s+|=)(\d+)")


@dataclass(frozen=True)
class PwCommand:
    """
    How pw.x is started.

    Parameters
    ----------
    line
        The command as a shell would read it, launcher included.

    Examples
    --------
    >>> PwCommand("mpirun.openmpi -np 4 pw.x -nk 2").ranks
    4
    """

    line: str

    @property
    def argv(self) -> list[str]:
        """The command in words."""
        words = shlex.split(self.line)
        if not words:
            raise ValueError("FLOWPOT_PW_CMD is empty: set it to how pw.x is started")
        return words

    @property
    def launcher(self) -> str | None:
        """The MPI launcher, where there is one."""
        first = Path(self.argv[0]).name
        return first if first.split(".")[0] in _LAUNCHERS else None

    @property
    def ranks(self) -> int | None:
        """MPI processes asked for; None where the command leaves them to others."""
        if self.launcher is None:
            return 1
        found = _RANKS.search(self.line)
        return int(found.group(1)) if found else None

    def missing(self) -> str | None:
        """Name the first program of the command that is not to be found."""
        programs = [self.argv[0]]
        if self.launcher:
            programs += [w for w in self.argv if Path(w).name.endswith("pw.x")][:1]
        return next((p for p in programs if shutil.which(p) is None), None)

    def with_pools(self, n_kpoints: int) -> list[str]:
        """
        Add a number of k-point pools that divides the MPI processes.

        Left alone where the command says it itself, or there is one process.
        """
        argv = self.argv
        chosen = {"-nk", "-npool", "-npools", "--npool"} & set(argv)
        if chosen or self.ranks is None or self.ranks == 1:
            return argv
        pools = max(
            p
            for p in range(1, self.ranks + 1)
            if self.ranks % p == 0 and p <= n_kpoints
        )
        return [*argv, "-nk", str(pools)] if pools > 1 else argv


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
            timed_out = not _wait(process, timeout, stop)
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
    process: subprocess.Popen[bytes], timeout: float | None, stop: Event | None
) -> bool:
    """Wait for the end; False where the time ran out or another thread said stop."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        waits = [] if deadline is None else [max(deadline - time.monotonic(), 0.0)]
        if stop is not None:
            waits.append(_STOP_CHECK)
        try:
            process.wait(min(waits, default=None))
        except subprocess.TimeoutExpired:
            if stop is not None and stop.is_set():
                raise InterruptedError("pw.x was stopped by its batch") from None
            if deadline is not None and time.monotonic() >= deadline:
                return False
        else:
            return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the session: politely, then not."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
