"""Trajectories in a LAMMPS program that has the model built in."""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.members import MODEL
from flowpot.exploration.lammps.potential import PairStyle
from flowpot.exploration.lammps.run import Outcome, read_run
from flowpot.exploration.lammps.script import (
    DATA_FILE,
    LOG_FILE,
    data_file,
    newest_restart,
    script,
    species_of,
)
from flowpot.exploration.lammps.trajectory import read_thermo
from flowpot.processes import Command, Ended, run

INPUT_FILE = "in.lammps"
OUTPUT_FILE = "lammps.out"


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
        Written by ``run.write_run``.
    pair_style
        Of the model.
    command
        How LAMMPS is started, launcher included.
    timeout
        Wall time (s) after which it is ended; the frames so far are kept.
    """
    plan, start = read_run(folder)
    species = species_of(start.numbers)
    model = plan.members[plan.driving].get(MODEL)
    if model is None:
        return Outcome(error="a LAMMPS program needs a model file, not a calculator")
    started = time.monotonic()
    try:
        convert(pair_style, model, species)
        write_input(folder, pair_style.commands(model, species, plan.dispersion))
        argv = [*shlex.split(command), *pair_style.options, "-in", INPUT_FILE]
        lammps = Command([*argv, "-log", "none"], folder, folder / OUTPUT_FILE)
        ended = run(lammps, timeout=timeout)
    except (OSError, ConversionError) as error:
        return Outcome(error=f"{error}: see {folder}")
    return _outcome(folder, ended, time.monotonic() - started)


def convert(pair_style: PairStyle, model: str, species: Sequence[int]) -> None:
    """
    Convert a model once; runs that share it find what the first one wrote.

    Parameters
    ----------
    pair_style
        That is to read it.
    model
        The model's file; what is written goes beside it.
    species
        Atomic numbers in the order of the atom types.

    Raises
    ------
    ConversionError
        If it fails, with the end of its output.
    """
    argv = pair_style.conversion(model, species)
    if not argv or Path(pair_style.converted(model, species)).exists():
        return
    if argv[0] == "python":
        argv[0] = sys.executable
    # MACE's converter asks for the head of a fine-tuned model: Enter is the last one.
    folder = Path(model).parent
    ended = run(Command(argv, folder, folder / "conversion.out", given=b"\n"))
    if ended.returncode != 0:
        raise ConversionError(f"the model could not be converted: {ended}")


def write_input(folder: Path, potential: Sequence[str]) -> None:
    """Write the data file and the input script of a run for any LAMMPS program."""
    plan, start = read_run(folder)
    (folder / DATA_FILE).write_text(data_file(start, LammpsCell.of(start)))
    commands = script(
        plan.conditions,
        plan.output,
        list(potential),
        start.pbc,
        extra=plan.extra,
        restart=newest_restart(folder),
    )
    lines = [f"log {LOG_FILE} append", "newton on", *commands, ""]
    (folder / INPUT_FILE).write_text("\n".join(lines))


def _outcome(folder: Path, ended: Ended, seconds: float) -> Outcome:
    steps = read_thermo(folder / LOG_FILE)["step"]
    n_steps = int(steps[-1]) if len(steps) else 0
    if ended.timed_out:
        return Outcome(n_steps=n_steps, out_of_time=True, seconds=seconds)
    if ended.returncode == 0:
        return Outcome(n_steps=n_steps, seconds=seconds)
    words = (folder / OUTPUT_FILE).read_text(errors="replace").splitlines()
    detail = next((line for line in words if "ERROR" in line), None)
    detail = detail or f"LAMMPS died without a message ({ended.status})"
    if n_steps == 0:
        return Outcome(error=f"{detail}: see {folder}", seconds=seconds)
    return Outcome(n_steps, "LAMMPS error", detail=detail, seconds=seconds)
