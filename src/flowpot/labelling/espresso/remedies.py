"""The run of pw.x in custodian's loop: run, diagnose, remedy, run again."""

import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from custodian.custodian import (
    Custodian,
    CustodianError,
    ErrorHandler,
    MaxCorrectionsPerHandlerError,
)
from custodian.custodian import Job as CustodianJob

from flowpot.labelling.espresso.command import OUTPUT_FILE, PwCommand, run_pw
from flowpot.labelling.espresso.document import Correction
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.preflight import PreflightError
from flowpot.processes import Ended

_MAX_CORRECTIONS = 10  # of all handlers together


class PwJob(CustodianJob):
    """
    pw.x as custodian runs it: once, and again after each remedy.

    Parameters
    ----------
    command
        How pw.x is started.
    n_kpoints, n_bands
        What the processes can share: see ``PwCommand.argv_for``.
    walltime
        Seconds after which one run is ended.
    """

    def __init__(
        self,
        command: str,
        n_kpoints: int = 1,
        n_bands: int = 0,
        walltime: float | None = None,
    ) -> None:
        self.command = command
        self.n_kpoints = n_kpoints
        self.n_bands = n_bands
        self.walltime = walltime
        self.line = command
        self.warning: str | None = None  # of how it was to start
        self.stop: Event | None = None
        self.process: Ended | None = None
        self.n_starts = 0
        self.seconds = 0.0

    @property
    def has_pools(self) -> bool:
        """Whether pw.x was started with more than one pool of k-points."""
        return (PwCommand(self.command).pools(self.n_kpoints) or 1) > 1

    @property
    def was_killed(self) -> bool:
        """Whether the last process was killed by someone else (often: for memory)."""
        ended = self.process
        return ended is not None and ended.was_killed

    @property
    def timed_out(self) -> bool:
        """Whether the last process was ended because its time was over."""
        return self.process is not None and self.process.timed_out

    def setup(self, directory: str = "./") -> None:
        """Nothing: the input is written already."""

    def run(self, directory: str = "./") -> None:
        """Run pw.x to its end, keeping the output of the run before."""
        folder = Path(directory)
        output = folder / OUTPUT_FILE
        if self.n_starts:
            output.rename(folder / f"{OUTPUT_FILE}.{self.n_starts}")
        command = PwCommand(self.command)
        argv = command.argv_for(self.n_kpoints, self.n_bands)
        self.line = shlex.join(argv)
        self.n_starts += 1
        start = time.perf_counter()
        self.process = run_pw(
            folder,
            argv,
            timeout=self.walltime,
            stop=self.stop,
            watch=partial(check_processes, folder, command)
            if command.launcher
            else None,
        )
        self.seconds += time.perf_counter() - start
        check_processes(folder, command)

    def without_pools(self) -> None:
        """Put all processes of the next run into one pool."""
        self.n_kpoints = 1

    def postprocess(self, directory: str = "./") -> None:
        """Nothing: the output is read by whoever wants the label."""


def run_with_remedies(
    job: PwJob, handlers: Sequence[ErrorHandler], folder: Path
) -> tuple[list[Correction], str | None]:
    """
    Run pw.x until no handler finds fault, or none knows a remedy.

    Returns
    -------
    corrections
        What was changed on the way, in order.
    unresolved
        Why the handlers gave up; None where they found nothing left to correct.
    """
    custodian = Custodian(
        list(handlers), [job], max_errors=_MAX_CORRECTIONS, directory=str(folder)
    )
    unresolved = None
    try:
        custodian.run()
    except MaxCorrectionsPerHandlerError as error:
        name = type(error.handler).__name__
        unresolved = f"{name} gave up after {error.max_errors_per_handler} remedies"
    except CustodianError as error:
        unresolved = str(error.message)
    applied = [c for entry in custodian.run_log for c in entry["corrections"]]
    return [_correction(c) for c in applied if c["actions"]], unresolved


def check_processes(folder: Path, command: PwCommand) -> bool:
    """
    Compare the MPI processes that ran with those that were asked for.

    An ``mpirun`` of another MPI than pw.x is linked to starts independent copies, which
    overwrite each other's files: each believes that it is the only one.

    Returns
    -------
    bool
        Whether the output says yet how many ran.

    Raises
    ------
    PreflightError
        Naming both numbers and the remedy.
    """
    expected = command.ranks
    if expected is None:
        return True
    report = read_report(folder)
    found: str | None = None
    if any("mp_start_pools" in error for error in report.errors):
        found = "fewer, too few for the k-point pools"  # copies die of the pools first
    elif report.n_starts > 1:
        found = f"{report.n_starts} x {report.n_mpi}"
    elif report.n_mpi not in (None, expected):
        found = str(report.n_mpi)
    if found:
        raise PreflightError(
            f"FLOWPOT_PW_CMD={command.line!r} asks for {expected} MPI processes, but "
            f"pw.x ran with {found}: its launcher belongs to another MPI than pw.x. "
            "Name the right one in full, for example `mpirun.openmpi -np 2 pw.x`, or "
            "run serially"
        )
    return report.n_mpi is not None


def _correction(entry: dict[str, Any]) -> Correction:
    """Record one of custodian's corrections."""
    return Correction(
        handler=type(entry["handler"]).__name__,
        errors=list(entry["errors"]),
        actions=list(entry["actions"]),
    )
