"""What is to be run, and how it ended."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TAIL = 20  # lines of its output that a report repeats
_SHELL_SIGNAL = 128  # shells and launchers report 128 + the signal


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
