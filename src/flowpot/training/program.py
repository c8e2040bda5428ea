"""Find and run training programs."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowpot.potentials.device import allocator_variables
from flowpot.potentials.gpus import gpu_variables
from flowpot.processes import Command, Ended, run_together

_LOG = "train.log"


@dataclass(frozen=True)
class Program:
    """
    A program to run in a folder.

    Parameters
    ----------
    command
        Its argument list.
    folder
        Working directory, to which ``train.log`` is written.
    environment
        Variables to set besides those of this process.
    before
        Argument list of a program that must succeed first. Empty: none.
    all_gpus
        Whether it uses several GPUs itself, and is to see all of them.
    """

    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    all_gpus: bool = False

    @property
    def arguments(self) -> list[str]:
        """Argument list that runs both programs, one after the other."""
        if not self.before:
            return self.command
        line = f"{shlex.join(self.before)} && exec {shlex.join(self.command)}"
        return ["sh", "-c", line]


def find_program(name: str, package: str) -> str:
    """
    Find a program beside this Python, or on the path.

    Parameters
    ----------
    name
        The program.
    package
        Optional dependency of flowpot that installs it.

    Raises
    ------
    FileNotFoundError
        If it is not installed.
    """
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        raise FileNotFoundError(
            f"{name} is neither beside {sys.executable} nor on the path: install it "
            f"with `pip install 'flowpot[{package}]'`"
        )
    return program


def available_cores() -> int:
    """Count the processor cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_programs(
    programs: Sequence[Program], deadline: float | None = None, device: str = "cpu"
) -> list[Ended]:
    """
    Run programs side by side until all have ended, or until a deadline.

    Where several run and ``OMP_NUM_THREADS`` is not set, they share the cores. They
    get the GPUs in turn.

    Parameters
    ----------
    programs
        The programs.
    deadline
        By ``time.monotonic()``: then those that still run are ended. None: never.
    device
        Device of the programs: see `flowpot.potentials.gpus.gpu_variables`.

    Returns
    -------
    list of Ended
        How each ended: see :func:`flowpot.processes.run_together`.
    """
    share = allocator_variables()
    if len(programs) > 1 and "OMP_NUM_THREADS" not in os.environ:
        share["OMP_NUM_THREADS"] = str(max(1, available_cores() // len(programs)))
    gpus = gpu_variables(device, len(programs))
    commands = [
        Command(
            program.arguments,
            program.folder,
            output=program.folder / _LOG,
            environment={
                **share,
                **({} if program.all_gpus else gpu),
                **program.environment,
            },
        )
        for program, gpu in zip(programs, gpus, strict=True)
    ]
    return run_together(commands, deadline)
