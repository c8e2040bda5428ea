"""Runs of pw.x in custodian's loop: run, diagnose, apply a remedy, run again."""

import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event

from custodian.custodian import (
    Custodian,
    CustodianError,
    ErrorHandler,
    MaxCorrectionsPerHandlerError,
)
from custodian.custodian import Job as CustodianJob

from flowpot.labelling.espresso.command import (
    CRASH_FILE,
    OUTPUT_FILE,
    PwCommand,
    run_pw,
)
from flowpot.labelling.espresso.document import Correction
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.preflight import PreflightError, PseudopotentialError
from flowpot.processes import Ended

_MAX_CORRECTIONS = 10  # remedies of all handlers together


class PwJob(CustodianJob):
    """
    Custodian's job that runs pw.x, the first time and again after each remedy.

    Parameters
    ----------
    command
        Command that starts pw.x.
    n_kpoints, n_bands
        Numbers of k-points and bands, by which processes share the work: see
        :meth:`flowpot.labelling.espresso.command.PwCommand.argv_for`.
    walltime
        Time after which a run is ended (s); None for no limit.
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
        self.warning: str | None = None  # about the files that it was to start from
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
        """Whether the last run was killed by another process, often for its memory."""
        ended = self.process
        return ended is not None and ended.was_killed

    @property
    def timed_out(self) -> bool:
        """Whether the last run was ended because its time was over."""
        return self.process is not None and self.process.timed_out

    def setup(self, directory: str = "./") -> None:
        """Do nothing: the input is written already."""

    def run(self, directory: str = "./") -> None:
        """Run pw.x to its end, and keep the output of the run before."""
        folder = Path(directory)
        output = folder / OUTPUT_FILE
        if self.n_starts:
            output.rename(folder / f"{OUTPUT_FILE}.{self.n_starts}")
            (folder / CRASH_FILE).unlink(missing_ok=True)
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
            watch=partial(_check_start, folder, command),
        )
        self.seconds += time.perf_counter() - start
        _check_start(folder, command)

    def without_pools(self) -> None:
        """Put all processes of the next run into one pool of k-points."""
        self.n_kpoints = 1

    def postprocess(self, directory: str = "./") -> None:
        """Do nothing: the output is read afterwards."""


def run_with_remedies(
    job: PwJob, handlers: Sequence[ErrorHandler], folder: Path
) -> tuple[list[Correction], str | None]:
    """
    Run pw.x until no handler sees an error, or none has another remedy.

    Parameters
    ----------
    job
        Job that runs pw.x.
    handlers
        Handlers of errors.
    folder
        Folder of the input and the output.

    Returns
    -------
    corrections
        Remedies that were applied, in order.
    unresolved
        Why the handlers gave up; None if no error was left.
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
    corrections = [
        Correction(
            handler=type(correction["handler"]).__name__,
            errors=list(correction["errors"]),
            actions=list(correction["actions"]),
        )
        for correction in applied
        if correction["actions"]
    ]
    return corrections, unresolved


def _check_start(folder: Path, command: PwCommand) -> bool:
    """Check what the head of the output says; return whether it is complete."""
    is_counted = check_processes(folder, command)
    return check_forces(folder) and is_counted


def check_forces(folder: Path) -> bool:
    """
    Refuse forces that pw.x does not have, and yet prints.

    Its ``setup.f90`` says "forces for hybrid functionals + US/PAW not implemented", and
    stops a relaxation or a dynamics, not a single point.

    Parameters
    ----------
    folder
        Folder of the output.

    Returns
    -------
    bool
        Whether the output states yet what functional and pseudopotentials are used.

    Raises
    ------
    PseudopotentialError
        If the functional is a hybrid, and a pseudopotential is ultrasoft or PAW.
    """
    report = read_report(folder)
    if report.is_hybrid and report.is_augmented:
        raise PseudopotentialError(
            "the functional is a hybrid (input_dft in user_settings['SYSTEM']), and a "
            "pseudopotential is ultrasoft or PAW: for these pw.x has no forces, those "
            "that it prints lack terms. Set pseudo_family to one of norm-conserving "
            "pseudopotentials"
        )
    return report.n_kpoints is not None  # it is printed after both


def check_processes(folder: Path, command: PwCommand) -> bool:
    """
    Compare the number of MPI processes that run with that of the command.

    The ``mpirun`` of another MPI than the one that pw.x is linked to starts independent
    copies of pw.x, which overwrite each other's files.

    Parameters
    ----------
    folder
        Folder of the output.
    command
        Command that started pw.x.

    Returns
    -------
    bool
        Whether the output states yet how many processes run.

    Raises
    ------
    PreflightError
        If the numbers differ; with both and the remedy.
    """
    expected = command.ranks
    if expected is None:
        return True
    report = read_report(folder)
    actual: str | None = None
    if any("mp_start_pools" in error for error in report.errors):
        # Copies without enough processes for the pools stop first.
        actual = "fewer, too few for the k-point pools"
    elif report.n_starts > 1:
        actual = f"{report.n_starts} x {report.n_mpi}"
    elif report.n_mpi == 1 < expected:  # processes that share a run are of one MPI
        actual = "1"
    if actual:
        raise PreflightError(
            f"FLOWPOT_PW_CMD={command.line!r} asks for {expected} MPI processes, but "
            f"pw.x ran with {actual}: its launcher belongs to another MPI than pw.x. "
            "Name the right one in full, for example `mpirun.openmpi -np 2 pw.x`, or "
            "run serially"
        )
    return report.n_mpi is not None
