"""Runs of the real LAMMPS on classical potentials."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.build import bulk

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.library import ExternalForces, open_lammps
from flowpot.exploration.lammps.pair_style import external_forces
from flowpot.exploration.lammps.run import Run, read_outcome, write_run
from flowpot.exploration.lammps.script import Output, data_file, script, species_of
from flowpot.exploration.lammps.trajectory import md_frames
from flowpot.exploration.preparation import boxed
from flowpot.exploration.sanity import SanityCheck, SanityLimits

EMT = {"calculator": "ase.calculators.emt.EMT", "kwargs": {}}


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    return atoms


@pytest.fixture
def simulate(tmp_path):
    """Run a trajectory in this process; return its folder, outcome and frames."""

    def run(atoms, conditions=None, output=None, members=(EMT,), folder="run", **more):
        folder = tmp_path / folder
        start = boxed(atoms, 15.0)
        plan = Run(
            conditions=conditions or Conditions(n_steps=50),
            output=output or Output(10),
            members=list(members),
            **more,
        )
        write_run(folder, plan, start)
        main([folder])
        outcome = read_outcome(folder)
        return folder, outcome, md_frames(folder, plan, start, outcome, "parent")

    return run


@dataclass
class StepZero:
    """What LAMMPS computes for a frame, mapped back to the frame's axes."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray


@pytest.fixture
def step_zero(clean_dir):
    """Return what LAMMPS computes for a frame at step 0 without velocities."""

    def evaluate(atoms, calculator, dispersion=None) -> StepZero:
        cell = LammpsCell.of(atoms)
        Path("start.data").write_text(data_file(atoms, cell))
        conditions = Conditions("nve", temperature=(0, 0), n_steps=1)
        commands = script(
            conditions,
            Output(1),
            external_forces(species_of(atoms.numbers), dispersion),
            atoms,
        )
        library = open_lammps(Path("log.lammps"))
        check = SanityCheck(SanityLimits(contact=0.0), atoms)
        callback = ExternalForces(library, cell, atoms.copy(), calculator, check)
        for command in commands:
            library.command("run 0" if command.startswith("run") else command)
            if command.startswith("fix flowpot "):
                callback.attach()
        assert callback.error is None
        order = np.argsort(library.numpy.extract_atom("id")[: len(atoms)])
        forces = library.numpy.extract_atom("f")[: len(atoms)][order]
        xx, yy, zz, xy, xz, yz = (
            library.get_thermo(f"p{ab}") for ab in ("xx", "yy", "zz", "xy", "xz", "yz")
        )
        pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        step_zero = StepZero(
            library.get_thermo("pe"),
            cell.vectors_back(forces),
            cell.tensor_back(-pressure * units.bar),
        )
        library.close()
        return step_zero

    return evaluate
