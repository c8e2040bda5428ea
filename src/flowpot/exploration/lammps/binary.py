"""Trajectories in a LAMMPS program that has the model built in."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from ase import Atoms

from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.convertible import (
    UnsuitedError,
    check_converter,
    check_release,
    needs_release,
)
from flowpot.exploration.lammps.pair_style import PairStyle
from flowpot.exploration.lammps.run import Run, read_run
from flowpot.exploration.lammps.script import (
    DATA_FILE,
    FRAMES_FILE,
    LOG_FILE,
    data_file,
    newest_restart,
    script,
    species_of,
)
from flowpot.exploration.lammps.trajectory import (
    last_step,
    read_frames,
    read_thermo,
    resumed,
)
from flowpot.exploration.members import MODEL
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sanity import SanityCheck
from flowpot.potentials.device import allocator_variables
from flowpot.processes import Command, Ended, run

INPUT_FILE = "in.lammps"
OUTPUT_FILE = "lammps.out"
CONVERSION_FILE = "conversion.out"

_GRACE = 60.0  # s beyond its walltime until LAMMPS is ended from outside


class ConversionError(RuntimeError):
    """A model could not be converted to what a pair style reads."""


def run_binary(
    folder: Path, pair_style: PairStyle, command: str, timeout: float | None = None
) -> Outcome:
    """
    Convert the model and run a trajectory.

    Parameters
    ----------
    folder
        Folder of the run, written by ``run.write_run``.
    pair_style
        Pair style that reads the model.
    command
        Command that starts LAMMPS, launcher included.
    timeout
        Wall time (s) after which LAMMPS ends the run, to go on later. None: never.

    Returns
    -------
    Outcome
        With an ``error`` where the model could not be converted or LAMMPS failed.

    Notes
    -----
    Such a program does not know the run's sanity limits: the sampled frames and the
    log that it has written are compared with them afterwards.
    """
    plan, start = read_run(folder)
    species = species_of(start.numbers)
    model = plan.members[plan.driving].get(MODEL)
    if model is None:
        return Outcome(error="a LAMMPS program needs a model file, not a calculator")
    started = time.monotonic()
    try:
        if needs_release(pair_style.style):
            help_text = folder / "help.out"
            lammps = Command([*shlex.split(command), "-h"], folder, help_text)
            run(lammps, timeout=_GRACE)
            text = help_text.read_text(errors="replace")
            check_release(pair_style.style, text, Path(model))
        convert(pair_style, model, species, folder / CONVERSION_FILE)
        commands = pair_style.commands(model, species, plan.dispersion)
        write_input(folder, commands, timeout)
        argv = [*shlex.split(command), *pair_style.options, "-in", INPUT_FILE]
        lammps = Command(
            [*argv, "-log", "none"],
            folder,
            folder / OUTPUT_FILE,
            environment=allocator_variables(),
        )
        ended = run(lammps, timeout=None if timeout is None else timeout + _GRACE)
    except (OSError, ConversionError, UnsuitedError) as error:
        return Outcome(error=f"{error}: see {folder}")
    outcome = _outcome(folder, ended, plan.conditions.n_steps)
    outcome = replace(outcome, seconds=time.monotonic() - started)
    breach = first_breach(folder, plan, start)
    if breach is None or outcome.error is not None:
        return outcome
    step, reason = breach
    return replace(outcome, n_steps=step, halted=reason, out_of_time=False)


def convert(
    pair_style: PairStyle, model: str, species: Sequence[int], output: Path
) -> None:
    """
    Convert a model, unless an earlier run has done so.

    Parameters
    ----------
    pair_style
        Pair style that is to read the model.
    model
        File of the model; the converted one is written beside it.
    species
        Atomic numbers in the order of the atom types.
    output
        File for what the converter prints.

    Raises
    ------
    ConversionError
        If the converter fails; the message has the end of its output.
    UnsuitedError
        If a package that the converter needs is not installed.
    """
    argv = pair_style.conversion(model, species)
    if not argv or Path(pair_style.converted(model, species)).exists():
        return
    if argv[0] == "python":
        argv[0] = sys.executable
    check_converter(pair_style.style)
    # MACE's converter asks for the head of a fine-tuned model: Enter chooses the last.
    ended = run(Command(argv, Path(model).parent, output, stdin=b"\n"))
    if ended.returncode != 0:
        raise ConversionError(f"the model could not be converted ({output}): {ended}")


def write_input(
    folder: Path, potential: Sequence[str], timeout: float | None = None
) -> None:
    """
    Write the data file and the input script of a run for any LAMMPS program.

    Parameters
    ----------
    folder
        Folder of the run.
    potential
        Commands of the pair style.
    timeout
        Wall time (s) after which the run ends as if it were done, with a restart file.
    """
    plan, start = read_run(folder)
    restart = newest_restart(folder)
    (folder / DATA_FILE).write_text(data_file(start, LammpsCell.of(start)))
    commands = script(
        resumed(plan.conditions, folder) if restart else plan.conditions,
        plan.output,
        list(potential),
        start,
        extra=plan.extra,
        restart=restart,
    )
    timer = [] if timeout is None else [f"timer timeout {ceil(timeout)} every 1"]
    lines = [f"log {LOG_FILE} append", "newton on", *timer, *commands, ""]
    (folder / INPUT_FILE).write_text("\n".join(lines))


def first_breach(folder: Path, plan: Run, start: Atoms) -> tuple[int, str] | None:
    """
    Find the first step in the files of a run that is beyond its sanity limits.

    Parameters
    ----------
    folder, plan, start
        Folder of the run, what was run, and the frame that it began with.

    Returns
    -------
    tuple[int, str] | None
        The step and the limit; None where there is none. Temperatures are compared at
        every step of the log, the rest at every sampled frame.
    """
    check = SanityCheck(plan.limits, start)
    thermo = read_thermo(folder / LOG_FILE)
    kelvin = dict(
        zip(thermo["step"].astype(int), thermo["temperature (K)"], strict=True)
    )
    hot = [
        (int(step), "temperature")
        for step, value in kelvin.items()
        if not value < plan.limits.temperature
    ]
    frames = read_frames([folder / FRAMES_FILE], start, LammpsCell.of(start))
    for step, atoms in frames.items():
        reason = check.breach(atoms, 0.0)
        if reason is not None:
            return min([*hot, (step, reason)])
    return min(hot, default=None)


def _outcome(folder: Path, ended: Ended, planned: int) -> Outcome:
    n_steps = last_step(folder)
    if ended.timed_out or (ended.returncode == 0 and n_steps < planned):
        return Outcome(n_steps=n_steps, out_of_time=True)
    if ended.returncode == 0:
        return Outcome(n_steps=n_steps)
    output = (folder / OUTPUT_FILE).read_text(errors="replace").splitlines()
    detail = next((line for line in output if "ERROR" in line), None)
    detail = detail or f"LAMMPS died without a message ({ended.status})"
    if n_steps == 0:
        return Outcome(error=f"{detail}: see {folder}")
    return Outcome(n_steps, "LAMMPS error", detail=detail)
