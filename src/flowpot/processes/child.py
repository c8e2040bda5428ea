"""One child program: how it is run, and how it ended."""

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from flowpot.processes import ending

_TAIL = 20  # lines of its output that a report repeats
_SHELL_SIGNAL = 128  # shells and launchers report 128 + the signal
_LOOK = 0.5  # s between looks at whether a program is to be ended
_WATCHDOG = 'read -r pid; read -r line && exit 0; exec "$0" -I "$1" "$2" "$pid"'
"""
Shell script that waits until its standard input closes.

A line after the process id says that all is well. The end of the input without one
means that the parent has died: the script then ends what the parent has started.
"""


@dataclass(frozen=True)
class Command:
    """
    A program, where it runs, and where its output goes.

    Parameters
    ----------
    argv
        Its argument list.
    folder
        Working directory of the program.
    output
        File that its standard output is appended to.
    errors
        File that its standard error is appended to. None: the same as `output`.
    environment
        Variables to set besides those of this process.
    stdin
        What it reads from its standard input.
    """

    argv: Sequence[str]
    folder: Path
    output: Path
    errors: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""


@dataclass(frozen=True)
class Ended:
    """
    How a program ended.

    Parameters
    ----------
    command
        The program.
    returncode
        Its exit status; a negative one is that of the signal that killed it.
    timed_out
        Whether it was ended because its time was up.
    """

    command: Command
    returncode: int
    timed_out: bool = False

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that killed it, by its own or its launcher's exit status."""
        code = self.returncode
        number = -code if code < 0 else code - _SHELL_SIGNAL
        return {known.value: known for known in signal.Signals}.get(number)

    @property
    def was_killed(self) -> bool:
        """Whether someone else killed it."""
        return self.signal == signal.SIGKILL and not self.timed_out

    @property
    def status(self) -> str:
        """How it ended, in a few words."""
        if self.timed_out:
            return "out of time"
        if self.signal is None:
            return f"exit status {self.returncode}"
        name = self.signal.name
        return f"{name}, often: out of memory" if name == "SIGKILL" else name

    @property
    def last_lines(self) -> str:
        """The last lines of its standard error, or of its output if that has both."""
        file = self.command.errors or self.command.output
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(lines[-_TAIL:])

    def __str__(self) -> str:
        """Describe the end, with the last lines of the output."""
        name = Path(self.command.argv[0]).name
        return f"{name} ended ({self.status}) in {self.command.folder}; its output " + (
            f"ends:\n{self.last_lines}" if self.last_lines else "is empty"
        )


def run(
    command: Command,
    *,
    timeout: float | None = None,
    stop: Event | None = None,
    watch: Callable[[], bool] | None = None,
) -> Ended:
    """
    Run a program and wait for its end.

    Parameters
    ----------
    command
        The program.
    timeout
        Seconds after which the program is ended. None: no limit.
    stop
        Another thread sets it to end the program early.
    watch
        Called about twice a second until it returns True. If it raises, the program is
        ended, and the error is passed on.

    Returns
    -------
    Ended
        How it ended. Nothing that it had started is left.

    Raises
    ------
    OSError
        If it cannot be started.
    InterruptedError
        If `stop` was set.

    Notes
    -----
    A program gets a session of its own, so that Ctrl-C reaches this process alone,
    which then ends it. If this process is killed, a small watchdog ends the program.
    On Linux either finds the program's descendants also where they have sessions and
    process groups of their own, as the ranks of Open MPI do.
    """
    with _running(command) as child:
        in_time = child.wait(timeout, stop, watch)
    return child.ended(timed_out=not in_time)


def run_together(
    commands: Sequence[Command], deadline: float | None = None
) -> list[Ended]:
    """
    Run programs side by side until all have ended, or until a deadline.

    Parameters
    ----------
    commands
        The programs.
    deadline
        By ``time.monotonic()``: then those that still run are ended. None: never.

    Returns
    -------
    list of Ended
        One for each program. See :func:`run`.
    """
    in_time = []
    with ExitStack() as stack:
        children = [stack.enter_context(_running(command)) for command in commands]
        for child in children:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            in_time.append(child.wait(left))
    return [
        child.ended(timed_out=not finished)
        for child, finished in zip(children, in_time, strict=True)
    ]


class _Child:
    """A running program, and the watchdog that ends it if this process is killed."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._mark = f"{os.getpid()}-{uuid.uuid4().hex}"
        self._watchdog = subprocess.Popen(
            ["sh", "-c", _WATCHDOG, sys.executable, ending.__file__, self._mark],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.process = self._start()
            self._tell(str(self.process.pid))
        except BaseException:
            self._dismiss()
            raise

    def _start(self) -> "subprocess.Popen[bytes]":
        command = self.command
        with ExitStack() as stack:
            output = stack.enter_context(command.output.open("ab"))
            errors = command.errors and stack.enter_context(command.errors.open("ab"))
            process = subprocess.Popen(
                list(command.argv),
                cwd=command.folder,
                env={**os.environ, **command.environment, ending.MARK: self._mark},
                stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=errors or subprocess.STDOUT,
                start_new_session=True,
            )
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(command.stdin)
        return process

    def wait(
        self,
        timeout: float | None,
        stop: Event | None = None,
        watch: Callable[[], bool] | None = None,
    ) -> bool:
        """Wait for the end; False where the time has run out. See :func:`run`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            waits = [] if deadline is None else [max(deadline - time.monotonic(), 0.0)]
            if stop is not None or watch is not None:
                waits.append(_LOOK)
            if self._has_ended(min(waits, default=None)):
                return True
            if stop is not None and stop.is_set():
                name = Path(self.command.argv[0]).name
                raise InterruptedError(f"{name} was stopped by its batch")
            if watch is not None and watch():
                watch = None
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def _has_ended(self, seconds: float | None) -> bool:
        """Wait for so long at most, without the polling of ``Popen.wait``."""
        if not hasattr(os, "pidfd_open"):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            return self.process.returncode is not None
        descriptor = os.pidfd_open(self.process.pid)
        try:
            ends = select.poll()
            ends.register(descriptor, select.POLLIN)
            return bool(ends.poll(None if seconds is None else 1000 * seconds))
        finally:
            os.close(descriptor)

    def end(self) -> None:
        """End what is left, also what a program that has ended left behind."""
        ending.end_marked(self._mark, self.process.pid)
        self.process.wait()
        self._dismiss()

    def ended(self, *, timed_out: bool) -> Ended:
        """Report how it ended."""
        return Ended(self.command, self.process.returncode, timed_out)

    def _tell(self, line: str) -> None:
        """Send the watchdog a line, if it still runs."""
        pipe = self._watchdog.stdin
        with suppress(BrokenPipeError):
            pipe.write(f"{line}\n".encode())  # type: ignore[union-attr]
            pipe.flush()  # type: ignore[union-attr]

    def _dismiss(self) -> None:
        """Tell the watchdog that there is nothing to watch any more."""
        for line in ("", ""):
            self._tell(line)
        with suppress(BrokenPipeError):
            self._watchdog.stdin.close()  # type: ignore[union-attr]
        self._watchdog.wait()


@contextmanager
def _running(command: Command) -> Iterator[_Child]:
    """Start a program, which has ended when the block is left."""
    child = _Child(command)
    try:
        yield child
    finally:
        child.end()
