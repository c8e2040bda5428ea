"""
What the driver costs: its figures, printed with ``-s`` and held to their bounds.

Each ratio is taken within one run, between what is spent in the model and the rest, in
processor time of one thread, so that other work on the machine changes neither.
"""

import time
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet

from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.conditions import Conditions
from flowpot.exploration.lammps.external import ExternalForces
from flowpot.exploration.lammps.library import open_lammps
from flowpot.exploration.lammps.potential import external_forces
from flowpot.exploration.lammps.sanity import SanityCheck, SanityLimits
from flowpot.exploration.lammps.script import Output, data_file, script, species_of
from flowpot.exploration.lammps.watch import CommitteeWatch

pytestmark = pytest.mark.slow


# ruff: noqa: ARG002, T201 - ASE's interface; the figures are to be seen


class Timed(Calculator):
    """Another calculator, and the seconds spent in it."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seconds, self.calls = inner, 0.0, 0

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        started = time.process_time()
        self.inner.calculate(atoms, properties, system_changes)
        self.seconds += time.process_time() - started
        self.calls += 1
        self.results = self.inner.results


class Springs(Calculator):
    """Independent oscillators: next to no time, and no memory of its own."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, sites):
        super().__init__()
        self.sites, self.calls, self.resident = sites, 0, []

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        length = atoms.cell[0, 0]
        delta = atoms.positions - self.sites
        delta -= length * np.round(delta / length)  # LAMMPS wraps atoms into its box
        self.results = {
            "energy": float((delta**2).sum()),
            "forces": -2 * delta,
            "stress": np.zeros(6),
        }
        self.calls += 1
        if self.calls % 10_000 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.resident.append(4 * pages)  # kB


@pytest.fixture
def silicon_mace(random_mace):
    """MACE of the size that campaigns use, with random weights, in float32."""
    from flowpot.potentials.mace import MACEPotential

    torch.set_num_threads(1)

    def build(seed):
        model = random_mace(
            seed,
            r_max=4.5,
            max_ell=3,
            hidden_irreps="32x0e + 32x1o",
            avg_num_neighbors=18.0,
            atomic_inter_scale=0.05,
        )
        calculator = MACEPotential(model, "cpu").calculator()
        for _ in range(3):  # TorchScript compiles as it goes
            calculator.calculate(silicon(2))
        return calculator

    return build


def silicon(repetitions):
    atoms = bulk("Si", "diamond", a=5.47, cubic=True) * ((repetitions,) * 3)
    atoms.rattle(0.02, seed=1)
    return atoms


def steps_take(atoms, calculator, n_steps, folder, judge=None, ensemble="npt"):
    """Seconds that LAMMPS takes for n steps, after its set-up."""
    cell = LammpsCell.of(atoms)
    with chdir(folder):
        Path("start.data").write_text(data_file(atoms, cell))
        conditions = Conditions(ensemble, 300, n_steps=n_steps, timestep=0.5)
        potential = external_forces(species_of(atoms.numbers))
        commands = script(conditions, Output(n_steps), potential, atoms.pbc)
        library = open_lammps(Path("log.lammps"))
        check = SanityCheck(SanityLimits(), atoms)
        callback = ExternalForces(
            library, cell, atoms.copy(), calculator, check, judge, running=True
        )
        for command in commands:
            if command.startswith("run"):
                library.command("run 0")
                if isinstance(calculator, Timed):
                    calculator.seconds, calculator.calls = 0.0, 0
                started = time.process_time()
            library.command(command)
            if command.startswith("run"):
                seconds = time.process_time() - started
            if command.startswith("fix flowpot "):
                callback.attach()
        library.close()
    assert not callback.stopped, callback.halted or callback.error
    return seconds


@pytest.mark.parametrize("repetitions", [2, 3])
def test_step_over_bare_evaluation(silicon_mace, repetitions, tmp_path):
    atoms = silicon(repetitions)
    model = Timed(silicon_mace(1))
    seconds = steps_take(atoms, model, 40 // repetitions, tmp_path)
    ratio = seconds / model.seconds
    each = 1000 * seconds / model.calls
    print(f"\n{len(atoms)} atoms: {each:.1f} ms a step, {ratio:.3f} of the model")
    assert ratio < 1.05


@pytest.mark.parametrize("repetitions", [2, 3])
def test_overhead_beside_that_of_ase(repetitions, tmp_path):
    """NVE with a potential that costs nothing: the checks included, against ASE's."""
    atoms = silicon(repetitions)
    n_steps = 2000
    ours = steps_take(
        atoms, Springs(atoms.positions.copy()), n_steps, tmp_path, ensemble="nve"
    )
    atoms.calc = Springs(atoms.positions.copy())
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    started = time.process_time()
    dynamics.run(n_steps)
    theirs = time.process_time() - started
    ours, theirs = 1e6 * ours / n_steps, 1e6 * theirs / n_steps
    print(f"\n{len(atoms)} atoms: LAMMPS {ours:.0f}, ASE {theirs:.0f} us a step")
    assert ours < theirs + 500


def test_committee_checks(silicon_mace, tmp_path):
    """Every 10 steps, 4 members: three more evaluations for ten."""
    atoms = silicon(2)
    members = [Timed(silicon_mace(seed)) for seed in range(4)]
    watch = CommitteeWatch(members[1:], {}, 20.0)

    def judge(step, frame, driving):
        if step % 10 == 0:
            watch.read(step, frame, driving)

    seconds = steps_take(atoms, members[0], 40, tmp_path, judge)
    ratio = seconds / members[0].seconds
    print(f"\nwith checks: {ratio:.3f} of the driving model")
    assert ratio < 1.45


def test_memory_is_flat(tmp_path):
    atoms = bulk("Cu", cubic=True)
    springs = Springs(atoms.positions.copy())
    atoms.rattle(0.05, seed=1)
    n_steps = 100_000
    seconds = steps_take(atoms, springs, n_steps, tmp_path, ensemble="nve")
    early, late = springs.resident[0], springs.resident[-1]
    print(f"\n{1e6 * seconds / n_steps:.0f} us a step; {late - early:+d} kB")
    assert late - early < 1000
