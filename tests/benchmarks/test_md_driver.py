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
from mace.calculators import MACECalculator

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.library import ExternalForces, open_lammps
from flowpot.exploration.lammps.pair_style import external_forces
from flowpot.exploration.lammps.script import Output, data_file, script, species_of
from flowpot.exploration.members import SKIN
from flowpot.exploration.sanity import SanityCheck, SanityLimits
from flowpot.exploration.watch import CommitteeWatch
from flowpot.potentials.mace import MACEPotential

pytestmark = pytest.mark.slow


# ruff: noqa: ARG002, T201 - ASE's interface; the figures are to be seen


class Clock:
    """The processor time that a potential's bare model takes, of all that is spent."""

    def __init__(self, potential):
        self.seconds, self.calls = 0.0, 0
        self._evaluate = potential.evaluate_graph
        potential.evaluate_graph = self

    def __call__(self, graph):
        started = time.process_time()
        found = self._evaluate(graph)
        self.seconds += time.process_time() - started
        self.calls += 1
        return found

    def reset(self):
        self.seconds, self.calls = 0.0, 0

    def report(self, name, total):
        """Print what a step takes; give the time spent outside of the model (us)."""
        step, bare = 1e3 * total / self.calls, 1e3 * self.seconds / self.calls
        print(f"  {name}: {step:.2f} ms a step, model {bare:.2f} ms: {step / bare:.4f}")
        return 1e3 * (step - bare)


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
def silicon_model(random_mace):
    """MACE of the size that campaigns use, with random weights, in float32."""

    def build(seed):
        return random_mace(
            seed,
            r_max=4.5,
            max_ell=3,
            hidden_irreps="32x0e + 32x1o",
            avg_num_neighbors=18.0,
            atomic_inter_scale=0.05,
        )

    return build


@pytest.fixture
def silicon_mace(silicon_model):
    """The potential of this model."""
    torch.set_num_threads(1)

    def build(seed):
        potential = MACEPotential(silicon_model(seed), "cpu")
        for _ in range(3):  # TorchScript compiles as it goes
            potential.evaluate_atoms(silicon(2))
        return potential

    return build


def silicon(repetitions):
    atoms = bulk("Si", "diamond", a=5.47, cubic=True) * ((repetitions,) * 3)
    atoms.rattle(0.02, seed=1)
    return atoms


def steps_take(
    atoms, calculator, n_steps, folder, judge=None, ensemble="npt", clocks=()
):
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
                for clock in clocks:
                    clock.reset()
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
def test_step_over_bare_model(silicon_mace, repetitions, tmp_path):
    """Neighbours, LAMMPS with its barostats, checks and all, over the bare model."""
    atoms = silicon(repetitions)
    potential = silicon_mace(1)
    clock = Clock(potential)
    seconds = steps_take(
        atoms, potential.calculator(SKIN), 80 // repetitions, tmp_path, clocks=[clock]
    )
    print(f"\n{len(atoms)} atoms, NPT")
    clock.report("driver", seconds)
    assert seconds / clock.seconds < 1.05


def ase_steps_take(atoms, calculator, n_steps, clocks=()):
    """Seconds that ASE's molecular dynamics takes for n steps."""
    atoms = atoms.copy()
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    dynamics.run(1)
    for clock in clocks:
        clock.reset()
    started = time.process_time()
    dynamics.run(n_steps)
    return time.process_time() - started


@pytest.mark.parametrize("repetitions", [2, 3])
def test_against_ase(silicon_mace, silicon_model, repetitions, tmp_path):
    """NVE with the same model: what is spent beside it, and MACE's own calculator."""
    atoms = silicon(repetitions)
    atoms.set_velocities(np.random.default_rng(1).normal(0, 0.03, (len(atoms), 3)))
    potential = silicon_mace(1)
    clock = Clock(potential)
    n_steps = 80 // repetitions
    ours = steps_take(
        *(atoms, potential.calculator(SKIN), n_steps, tmp_path),
        ensemble="nve",
        clocks=[clock],
    )
    print(f"\n{len(atoms)} atoms, NVE")
    beside = clock.report("driver", ours)
    theirs = ase_steps_take(atoms, potential.calculator(), n_steps, [clock])
    beside_ase = clock.report("ASE", theirs)
    mace = MACECalculator(models=[silicon_model(1)], device="cpu")
    maces = 1e3 * ase_steps_take(atoms, mace, n_steps) / n_steps
    print(f"  ASE with MACE's own calculator: {maces:.2f} ms a step")
    print(f"  beside the model: driver {beside:.0f}, ASE {beside_ase:.0f} us a step")
    assert beside < beside_ase


@pytest.mark.parametrize("repetitions", [2, 3])
def test_overhead_beside_that_of_ase(repetitions, tmp_path):
    """NVE with a potential that costs nothing: the checks included, against ASE's."""
    atoms = silicon(repetitions)
    n_steps = 2000
    ours = steps_take(
        atoms, Springs(atoms.positions.copy()), n_steps, tmp_path, ensemble="nve"
    )
    theirs = ase_steps_take(atoms, Springs(atoms.positions.copy()), n_steps)
    ours, theirs = 1e6 * ours / n_steps, 1e6 * theirs / n_steps
    print(f"\n{len(atoms)} atoms: LAMMPS {ours:.0f}, ASE {theirs:.0f} us a step")
    assert ours < theirs + 250


def test_committee_checks(silicon_mace, tmp_path):
    """Every 10 steps, 4 members: three more evaluations for ten."""
    atoms = silicon(2)
    potentials = [silicon_mace(seed) for seed in range(4)]
    clock = Clock(potentials[0])
    driving, *others = [potential.calculator(SKIN) for potential in potentials]
    watch = CommitteeWatch(others, {}, 20.0)

    def judge(step, frame, driving):
        if step % 10 == 0:
            watch.read(step, frame, driving)

    # With the set-up of the run, 9 checks in 81 steps.
    seconds = steps_take(atoms, driving, 80, tmp_path, judge, clocks=[clock])
    print(f"\n{len(atoms)} atoms, 4 members checked every 10 steps")
    clock.report("driver", seconds)
    assert seconds / clock.seconds < 1.45


def test_memory_is_flat(tmp_path):
    atoms = bulk("Cu", cubic=True)
    springs = Springs(atoms.positions.copy())
    atoms.rattle(0.05, seed=1)
    n_steps = 100_000
    seconds = steps_take(atoms, springs, n_steps, tmp_path, ensemble="nve")
    early, late = springs.resident[0], springs.resident[-1]
    print(f"\n{1e6 * seconds / n_steps:.0f} us a step; {late - early:+d} kB")
    assert late - early < 1000
