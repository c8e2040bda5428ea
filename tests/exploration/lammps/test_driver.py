"""Trajectories of the real LAMMPS: conservation, repetition, halting, resuming."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from scipy.spatial.transform import Rotation

from flowpot.dataset import Dataset
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.run import RESULT_FILE, read_outcome, read_run
from flowpot.exploration.lammps.script import (
    LOG_FILE,
    RESTART_FILES,
    Output,
    newest_restart,
)
from flowpot.exploration.lammps.trajectory import (
    md_document,
    read_thermo,
)
from flowpot.exploration.sanity import SanityLimits


def test_energy_is_conserved(copper, simulate):
    conditions = Conditions("nve", temperature=600, n_steps=300, timestep=0.5)
    folder, outcome, _ = simulate(copper, conditions)
    assert outcome.n_steps == 300
    thermo = read_thermo(folder / LOG_FILE)
    energy = thermo["total energy (eV)"]
    exchanged = np.ptp(thermo["kinetic energy (eV)"])
    assert exchanged > 0.05
    assert np.ptp(energy) < 0.01 * exchanged
    slope = np.polyfit(thermo["time (ps)"], energy / len(copper), 1)[0]
    assert abs(slope) < 1e-3  # eV/atom/ps; the strict bound is a benchmark's


def test_frames_are_those_of_the_steps_asked_for(copper, simulate):
    _, _, frames = simulate(copper, Conditions(n_steps=57), Output(19))
    assert frames.info["md_step"].tolist() == [19, 38, 57]
    assert set(frames.info["config_type"]) == {"md"}
    assert set(frames.info["parent"]) == {"parent"}
    assert not frames.info["candidate"].any()


def test_frames_have_the_energies_of_the_log(copper, simulate):
    """What was sampled is what was simulated, through a barostat and all tilts."""
    conditions = Conditions("npt", 900, 20, n_steps=60, barostat="tri")
    folder, _, frames = simulate(copper * (1, 1, 2), conditions, Output(20))
    thermo = read_thermo(folder / LOG_FILE)
    for atoms in frames:
        atoms.calc = EMT()
        row = thermo["step"] == atoms.info["md_step"]
        energy = thermo["potential energy (eV)"][row]
        np.testing.assert_allclose(atoms.get_potential_energy(), energy, atol=1e-7)
    angles = np.array([atoms.cell.angles() for atoms in frames])
    assert np.ptp(angles[:, 0]) > 1e-6


def test_seed_decides_the_trajectory(copper, simulate):
    first = simulate(copper, Conditions(seed=7, n_steps=30), folder="a")[2]
    again = simulate(copper, Conditions(seed=7, n_steps=30), folder="b")[2]
    other = simulate(copper, Conditions(seed=8, n_steps=30), folder="c")[2]
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.cell, again.cell)
    assert not np.allclose(first.positions, other.positions)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_frame_moves_as_the_frame_does(mirrored, copper, simulate):
    """Positions, velocities and cell, through the barostat and back."""
    conditions = Conditions("npt", 700, 5, n_steps=30, barostat="tri")
    copper.set_cell(copper.cell.array @ [[1, 0, 0], [0.1, 1, 0], [0, 0.2, 1.1]])
    turn = Rotation.from_euler("xyz", [20, -70, 140], degrees=True).as_matrix()
    if mirrored:
        turn[:, 1] *= -1
    turned = copper.copy()
    turned.set_cell(copper.cell.array @ turn)
    turned.positions = copper.positions @ turn
    straight = simulate(copper, conditions, folder="straight")[2]
    other = simulate(turned, conditions, folder="turned")[2]
    moved = straight.positions - np.tile(copper.positions, (len(straight), 1))
    assert np.abs(moved).max() > 0.1
    np.testing.assert_allclose(other.positions, straight.positions @ turn, atol=1e-8)
    np.testing.assert_allclose(other.cell, straight.cell @ turn, atol=1e-8)


@pytest.mark.parametrize("seed", [0, 2**31 - 2])
@pytest.mark.parametrize("ensemble", ["npt", "nvt", "nve", "langevin"])
def test_zero_temperature_and_any_seed(ensemble, seed, copper, simulate):
    conditions = Conditions(ensemble, temperature=0, seed=seed, n_steps=40)
    folder, outcome, frames = simulate(copper, conditions)
    assert outcome.error is None
    assert len(frames) == 4
    thermo = read_thermo(folder / LOG_FILE)
    energy = thermo["total energy (eV)"]
    if ensemble in ("nvt", "langevin"):
        assert energy[-1] < energy[0], "friction takes heat away"


def test_minimised_start_is_the_minimum_of_ase(copper, simulate):
    copper.rattle(0.15, seed=2)
    conditions = Conditions("nve", temperature=0, n_steps=20, minimise=300)
    folder, _, frames = simulate(copper, conditions, Output(20, thermo_interval=10))
    copper.calc = EMT()
    high = copper.get_potential_energy()
    assert BFGS(copper, logfile=None).run(fmax=1e-4)
    minimum = copper.get_potential_energy()
    thermo = read_thermo(folder / LOG_FILE)
    # The log is that of the run, in which atoms at rest in a minimum stay there.
    assert thermo["step"].tolist() == [0, 10, 20]
    assert thermo["temperature (K)"][0] == 0
    found = thermo["potential energy (eV)"]
    assert high - minimum > 0.5
    np.testing.assert_allclose(found, minimum, atol=1e-4)
    np.testing.assert_allclose(
        frames[0].get_all_distances(mic=True),
        copper.get_all_distances(mic=True),
        atol=0.01,
    )


def test_ramp_heats(copper, simulate):
    conditions = Conditions("langevin", (10, 2000), n_steps=200, temperature_damping=10)
    folder, _, frames = simulate(copper * (2, 2, 1), conditions, Output(50))
    assert frames.info["temperature"].tolist() == [507.5, 1005.0, 1502.5, 2000.0]
    kelvin = read_thermo(folder / LOG_FILE)["temperature (K)"]
    assert kelvin[:5].mean() < 200
    assert kelvin[-5:].mean() > 1000


def test_pressure_ramp_squeezes(copper, simulate):
    conditions = Conditions(
        "npt", 300, (0, 400), n_steps=400, barostat="iso", pressure_damping=50
    )
    folder, _, frames = simulate(copper, conditions, Output(100))
    assert frames.info["pressure"].tolist() == [100, 200, 300, 400]
    kbar = read_thermo(folder / LOG_FILE)["pressure (kbar)"]
    early, late = np.array_split(kbar, 4)[0].mean(), np.array_split(kbar, 4)[-1].mean()
    assert early < 150
    assert 250 < late < 450
    volumes = np.abs(np.linalg.det(frames.cell))
    assert volumes[-1] < 0.95 * copper.get_volume()
    lengths = np.linalg.norm(frames.cell, axis=2)
    np.testing.assert_allclose(lengths, lengths[:, [1, 2, 0]], rtol=1e-10)


def test_barostat_acts_on_periodic_axes_only(simulate):
    slab = fcc111("Cu", (2, 2, 2), vacuum=8.0)
    slab.pbc = (True, True, False)
    for barostat in ("iso", "aniso", "tri"):
        conditions = Conditions("auto", 500, 5, n_steps=40, barostat=barostat)
        _, outcome, frames = simulate(slab, conditions, folder=barostat)
        assert outcome.error is None
        cells = frames.cell
        assert np.ptp(cells[:, 0, 0]) > 1e-6
        np.testing.assert_allclose(
            cells[:, 2], np.broadcast_to(slab.cell[2], cells[:, 2].shape), atol=1e-12
        )


def test_a_molecule_never_falls_apart_over_the_box(simulate):
    dimer = Atoms("Cu2", [[0, 0, -1.2], [0, 0, 1.2]])
    _, outcome, frames = simulate(dimer, Conditions(temperature=300, n_steps=60))
    assert outcome.n_steps == 60
    for atoms in frames:
        assert atoms.get_distance(0, 1) < 4.0


def test_halts_at_a_limit_and_keeps_what_came_before(copper, simulate):
    conditions = Conditions("langevin", (300, 3000), n_steps=2000)
    limits = SanityLimits(temperature=900)
    folder, outcome, frames = simulate(copper, conditions, limits=limits)
    assert outcome.halted == "temperature"
    assert 10 < outcome.n_steps < 2000
    steps = frames.info["md_step"]
    assert steps.tolist() == list(range(10, outcome.n_steps, 10))
    assert frames.info["candidate"].tolist() == [False] * (len(steps) - 3) + [True] * 3
    run, start = read_run(folder)
    document = md_document(folder, run, start, outcome, "parent")
    assert (document.state, document.halted) == ("halted", "temperature")
    assert max(document.thermo["step"]) <= outcome.n_steps


def test_halts_on_forces_that_are_not_numbers(copper, simulate, monkeypatch):
    calculate, calls = EMT.calculate, []

    def lost(self, *arguments):
        calculate(self, *arguments)
        calls.append(1)
        if len(calls) == 26:  # of the set-up and 25 steps
            self.results["forces"][2, 1] = np.nan

    monkeypatch.setattr(EMT, "calculate", lost)
    _, outcome, frames = simulate(copper)
    assert (outcome.halted, outcome.n_steps) == ("not a number", 25)
    assert frames.info["md_step"].tolist() == [10, 20]


def test_atoms_too_close_halt_at_once(simulate):
    close = Atoms("Cu2", [[0, 0, 0], [0, 0, 0.9]], cell=[6, 6, 6], pbc=True)
    _, outcome, frames = simulate(close)
    assert (outcome.halted, outcome.n_steps, len(frames)) == ("atoms too close", 0, 0)


def test_unknown_calculator_is_recorded(copper, simulate):
    member = {"calculator": "ase.calculators.emt.NoSuchThing", "kwargs": {}}
    _, outcome, frames = simulate(copper, members=[member])
    assert "NoSuchThing" in outcome.error
    assert len(frames) == 0


def test_element_that_the_calculator_does_not_know_is_recorded(simulate):
    _, outcome, _ = simulate(bulk("Si"))
    assert "NotImplementedError" in outcome.error
    assert outcome.halted is None


def test_resumed_run_is_the_uninterrupted_one(copper, simulate):
    """As after a kill: no outcome, a restart file, more in the dump than it knows."""
    conditions = Conditions("npt", 500, 5, n_steps=60)
    output = Output(10, thermo_interval=5, restart_interval=25)
    whole = simulate(copper, conditions, output, folder="whole")[2]
    folder, outcome, _ = simulate(copper, conditions, output, folder="cut")
    assert outcome.n_steps == 60
    for name in ("restart.final", RESTART_FILES[1], RESULT_FILE):  # that of step 50
        (folder / name).unlink()
    dump = folder / "frames.dump"
    dump.write_text(dump.read_text()[:-100])  # cut off in a line of the last frame
    main([folder])
    outcome = read_outcome(folder)
    assert (outcome.n_steps, outcome.error) == (60, None)
    run, start = read_run(folder)
    document = md_document(folder, run, start, outcome, "parent")
    assert document.thermo["step"] == list(range(0, 61, 5))
    frames = Dataset.load(document.dataset)
    np.testing.assert_array_equal(frames.info["md_step"], whole.info["md_step"])
    np.testing.assert_allclose(frames.positions, whole.positions, atol=1e-9)
    np.testing.assert_allclose(frames.cell, whole.cell, atol=1e-9)


def test_out_of_time_can_be_resumed(copper, simulate):
    """Whenever the time is up: at the first step on a busy machine, or later."""
    conditions = Conditions(n_steps=200)
    folder, outcome, _ = simulate(copper, conditions, walltime=0.05)
    assert outcome.out_of_time
    assert outcome.n_steps < 200
    assert newest_restart(folder) == "restart.final"
    plan = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(plan | {"walltime": None}))
    main([folder])
    assert read_outcome(folder).n_steps == 200


def test_a_restart_file_that_was_cut_off_is_passed_over(tmp_path):
    whole = b"state LammpS RestartT\0"
    (tmp_path / RESTART_FILES[0]).write_bytes(whole)
    (tmp_path / RESTART_FILES[1]).write_bytes(whole[:-5])
    assert newest_restart(tmp_path) == RESTART_FILES[0]
