"""Replicas of a batch: independent, conserved, halted, kept and taken up again."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, fcc111

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.exploration.batched.dynamics import NO_STRESS, Dynamics, Watch
from flowpot.exploration.batched.forces import CalculatorForces, PotentialForces
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.sampling import Output
from flowpot.exploration.sanity import SanityLimits
from flowpot.potentials.mace import MACEPotential


def same(one, other, tolerance):
    for name in ("positions", "velocities", "cell"):
        expected, found = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert [step for step, *_ in one.frames] == [step for step, *_ in other.frames]


@pytest.fixture(scope="module")
def copper_mace(random_mace):
    torch.set_num_threads(1)
    model = random_mace(1, ("Cu",), "float64", hidden_irreps="8x0e")
    return MACEPotential(model, "cpu")


def test_each_replica_is_what_it_is_alone(copper_mace, run_batch):
    """Sizes, ensembles, periodicities and barostats side by side, on a real model."""
    cubic, slab = bulk("Cu", cubic=True), fcc111("Cu", (1, 1, 3), vacuum=8.0)
    slab.pbc = (True, True, False)
    dimer = Atoms("Cu2", [[0, 0, 0], [1, 1, 2]], cell=[15] * 3)
    starts = []
    for i, (crystal, special) in enumerate(
        [
            (cubic, {"ensemble": "npt", "barostat": "tri", "pressure": (5, 20)}),
            (cubic * (2, 1, 1), {"ensemble": "nve"}),
            (slab, {"barostat": "iso"}),
            (dimer, {"temperature": (300, 900)}),
        ]
    ):
        atoms = crystal.copy()
        atoms.rattle(0.05, seed=i)
        fields = {"temperature": (600, 600)} | special
        starts.append((atoms, Conditions(**fields, n_steps=30, seed=i + 1)))
    together = run_batch(starts, [copper_mace])
    for start, replica in zip(starts, together, strict=True):
        [alone] = run_batch([start], [copper_mace])
        assert replica.outcome == alone.outcome
        assert replica.outcome.n_steps == 30
        assert np.abs(replica.positions - start[0].positions).max() > 0.02
        same(alone, replica, 1e-10)


def test_an_exploding_replica_leaves_the_others_unchanged(argon, run_batch):
    calm = [(argon(i), Conditions("npt", 60, n_steps=60, seed=i + 1)) for i in (0, 1)]
    wild = argon(2)
    wild.positions[1] = wild.positions[0] + [1.2, 0, 0]
    explosive = (wild, Conditions("nve", 60, n_steps=60, timestep=20.0, seed=3))
    limits = SanityLimits(contact=0.2)
    alone = run_batch(calm, limits=limits)
    *others, exploded = run_batch([*calm, explosive], limits=limits)
    assert exploded.outcome.halted in ("temperature", "atoms too close")
    assert exploded.attempt == 2
    for one, other in zip(alone, others, strict=True):
        same(one, other, 1e-10)
    nan = argon(4)
    nan.positions[0, 0] = np.nan
    *others, lost = run_batch([*calm, (nan, Conditions(n_steps=60))], limits=limits)
    assert lost.outcome.error or lost.outcome.halted == "not a number"
    for one, other in zip(alone, others, strict=True):
        same(one, other, 1e-10)


def test_energy_is_conserved(argon, run_batch):
    conditions = Conditions("nve", 60, n_steps=1000, timestep=2.0)
    [replica] = run_batch([(argon(0, (2, 2, 2)), conditions)])
    columns = replica.columns()
    energy, moving = columns["total energy (eV)"], columns["kinetic energy (eV)"]
    assert np.ptp(moving) > 0.01
    assert np.ptp(energy) < 0.02 * np.ptp(moving)
    slope = np.polyfit(columns["time (ps)"], energy / len(replica.start), 1)[0]
    assert abs(slope) < 2e-5  # eV/atom/ps
    momentum = replica.start.get_masses() @ replica.velocities
    np.testing.assert_allclose(momentum, 0, atol=1e-10)


@pytest.mark.parametrize("barostat", ["iso", "aniso", "tri"])
def test_what_was_interrupted_goes_on_exactly(barostat, argon, run_batch):
    """From what was saved on the way, as after a kill: bit by bit the same."""
    starts = [
        (argon(i), Conditions("npt", 60, 1, n_steps=60, barostat=barostat, seed=i + 1))
        for i in range(2)
    ]
    saved = []

    def save(replicas):
        saved.append([replica.to_bytes() for replica in replicas])

    whole = run_batch(starts, output=Output(10, restart_interval=25), save=save)
    assert len(saved) == 2
    for contents in saved:
        replicas = [
            Replica.from_bytes(content, atoms, "parent")
            for content, (atoms, _) in zip(contents, starts, strict=True)
        ]
        resumed = run_batch.resumed(replicas)
        for one, other in zip(whole, resumed, strict=True):
            same(one, other, 0.0)
            assert one.thermo == other.thermo
            assert one.outcome == other.outcome


@pytest.mark.parametrize("barostat", ["iso", "aniso", "tri"])
def test_barostats_act_on_periodic_axes_only(barostat, run_batch):
    layer = bulk("Ar", a=5.3, cubic=True) * (2, 2, 1)
    layer.rotate(30, (1, 1, 0), rotate_cell=True)
    layer.pbc = (True, False, True)
    layer.cell[1] *= 3
    conditions = Conditions("auto", 40, n_steps=50, barostat=barostat, timestep=2.0)
    [replica] = run_batch([(layer, conditions)], bulk_modulus=2.0)
    assert replica.outcome.halted is None
    np.testing.assert_array_equal(replica.cell[1], layer.cell[1])
    grown = replica.cell - layer.cell.array
    assert np.linalg.norm(grown[[0, 2]], axis=1).min() > 1e-4
    if barostat == "iso":
        ratios = np.linalg.norm(replica.cell, axis=1) / layer.cell.lengths()
        assert ratios[0] == pytest.approx(ratios[2], rel=1e-12)


def test_ramps_and_cold(argon, run_batch):
    hot, cold = run_batch(
        [
            (argon(0), Conditions("nvt", (5, 100), n_steps=2000, timestep=2.0)),
            (argon(1), Conditions("nvt", 0, n_steps=2000, timestep=2.0)),
        ],
        output=Output(100),
    )
    kelvin = hot.columns()["temperature (K)"]
    assert kelvin[:20].mean() < 30
    assert 60 < kelvin[-20:].mean() < 140
    energy = cold.columns()["total energy (eV)"]
    assert (np.diff(energy) <= 1e-9).all(), "friction only takes heat away"
    assert energy[-1] < energy[0] - 1e-3


@pytest.mark.parametrize("symbols", ["Ar3", "LiIAr"])
def test_molecules_vibrate_as_their_temperature_says(symbols, lennard_jones, run_batch):
    """
    Equipartition, whatever the masses.

    kT/2 of potential energy is in each of three vibrations, kT/2 of kinetic energy in
    each of six degrees of freedom.
    """
    side = 3.4 * 2 ** (1 / 6)
    places = [(0, 0, 0), (side, 0, 0), (side / 2, side * 0.75**0.5, 0)]
    starts = [
        (
            Atoms(symbols, places, cell=[30] * 3),
            Conditions(
                "nvt", 4, n_steps=1500, timestep=5, temperature_damping=30, seed=seed
            ),
        )
        for seed in range(1, 41)
    ]
    potential = lennard_jones(cutoff=20.0)
    potential.species = ("Li", "Ar", "I")
    done = run_batch(starts, [potential])
    assert {replica.outcome.error for replica in done} == {None}
    assert {replica.outcome.halted for replica in done} == {None}
    for name, lowest, share in (
        ("potential energy (eV)", -3 * 0.0104, 2 / 3),
        ("kinetic energy (eV)", 0.0, 1 / 3),
    ):
        late = [r.columns()[name][50:].mean() - lowest for r in done]
        kelvin = share * np.array(late) / units.kB
        error = kelvin.std(ddof=1) / np.sqrt(len(kelvin))
        assert abs(kelvin.mean() - 4) < 4 * error + 0.2, name
        assert error < 0.3


def test_minimised_starts_are_at_rest_in_a_minimum(argon, run_batch):
    starts = []
    for seed in (1, 2):
        atoms = argon(seed)
        atoms.rattle(0.3, seed=seed)
        starts.append(
            (atoms, Conditions("nve", 0, n_steps=20, minimise=500 * (seed == 1)))
        )
    relaxed, other = run_batch(starts)
    assert relaxed.columns()["kinetic energy (eV)"].max() < 1e-4
    assert other.columns()["kinetic energy (eV)"].max() > 1e-3
    energies = [r.columns()["potential energy (eV)"][-1] for r in (relaxed, other)]
    assert energies[0] < energies[1]


def test_a_limit_halts_one_replica_and_is_tried_again_at_once_only(argon, run_batch):
    ramp = Conditions("nvt", (20, 3000), n_steps=400, timestep=2.0, seed=5)
    steady = Conditions("nvt", 20, n_steps=400, timestep=2.0, seed=6)
    halted, done = run_batch(
        [(argon(0), ramp), (argon(1), steady)], limits=SanityLimits(temperature=500)
    )
    assert (halted.outcome.halted, halted.attempt) == ("temperature", 0)
    assert 10 < halted.outcome.n_steps < 400
    assert max(step for step, *_ in halted.frames) < halted.outcome.n_steps
    assert (done.outcome.n_steps, done.outcome.halted) == (400, None)


def test_the_committee_is_asked_together_and_halts_where_it_disagrees(
    argon, run_batch, calibration, lennard_jones
):
    """On the same graphs; and denser frames where it begins to disagree."""
    members = [lennard_jones(), lennard_jones(epsilon=0.0125)]
    heated = Conditions("langevin", (10, 400), n_steps=600, timestep=2.0, seed=2)
    quiet = Conditions("langevin", 5, n_steps=600, timestep=2.0, seed=3)
    watch = Watch(20, calibration(0.003), 4.0)
    output = Output(100, dense_interval=4)
    halted, done = run_batch(
        [(argon(0), heated), (argon(1), quiet)], members, output, watch=watch
    )
    log = halted.disagreement()
    assert halted.outcome.halted == "disagreement in forces"
    assert log["step"].tolist() == list(range(0, halted.outcome.n_steps + 1, 20))
    assert (log["forces"][:-1] <= 0.012).all()
    assert log["forces"][-1] > 0.012
    worried = log["step"][:-1][log["excess"][:-1] > 1]
    steps = {step for step, *_ in halted.frames}
    assert len(worried) > 0
    assert all(int(step) + 4 in steps for step in worried[:-1])
    assert done.outcome.halted is None
    [alone] = run_batch([(argon(1), quiet)], members, output, watch=watch)
    same(alone, done, 1e-10)
    for name, column in done.disagreement().items():
        np.testing.assert_allclose(alone.disagreement()[name], column, atol=1e-9)


def test_neighbours_are_searched_for_seldom(argon, lennard_jones):
    potential = lennard_jones()
    searched = []
    build = potential.build_graph
    potential.build_graph = lambda *args: searched.append(1) or build(*args)
    forces = PotentialForces([potential])
    frames = [argon(i) for i in range(3)]
    for _ in range(4):
        geometry = Arrays.joined([Arrays.of_atoms(atoms) for atoms in frames])
        found = forces.drive(geometry)
        for atoms, own in zip(frames, geometry.rows, strict=True):
            _, expected, _ = lennard_jones().evaluate_atoms(atoms)
            np.testing.assert_allclose(found.forces[own], expected, atol=1e-12)
            atoms.positions += 0.05
        frames[1].rattle(0.02, seed=1)
    assert len(searched) == 3
    frames[1].rattle(1.0, seed=2)
    forces.drive(Arrays.joined([Arrays.of_atoms(atoms) for atoms in frames]))
    assert len(searched) == 4, "of the one frame that moved"


def test_a_calculator_sees_all_that_a_frame_has():
    """Charges are told apart, also where the batch has become smaller."""
    frames = []
    for charge in (0, 2, -1):
        atoms = bulk("Cu", cubic=True)
        atoms.info["charge"] = charge
        frames.append(atoms)
    forces = CalculatorForces(
        [{"calculator": "known_potentials.ChargeEnergy", "kwargs": {}}]
    )
    for chosen in ([0, 1, 2], [2]):
        starts = [frames[i] for i in chosen]
        forces.begin(starts)
        geometry = Dataset.from_atoms(starts, labels=False)
        energies = forces.drive(geometry).energy
        assert energies.tolist() == [frames[i].info["charge"] for i in chosen]


def by_calculator(name, starts):
    """Run replicas with a calculator of `known_potentials`."""
    forces = CalculatorForces(
        [{"calculator": f"known_potentials.{name}", "kwargs": {}}]
    )
    replicas = [Replica.begin(atoms, each, "parent") for atoms, each in starts]
    return Dynamics(forces, Output(10)).run(replicas)


def test_a_barostat_without_stress_is_refused():
    """And it alone: without a barostat the pressure is not known, which is said."""
    copper = bulk("Cu", cubic=True)
    dimer = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]], cell=[12] * 3)
    starts = [
        (copper, Conditions("auto", 300, 200, n_steps=20)),
        (copper, Conditions("nvt", 300, n_steps=20)),
        (dimer, Conditions("auto", 300, n_steps=20)),
    ]
    refused, crystal, molecule = by_calculator("NoStressEMT", starts)
    assert (refused.outcome.state, refused.outcome.error) == ("failed", NO_STRESS)
    assert refused.frames == refused.thermo == []
    assert {crystal.outcome.state, molecule.outcome.state} == {"done"}
    logs = crystal.columns()
    assert np.isnan(logs["pressure (kbar)"]).all()
    assert np.isfinite(logs["temperature (K)"]).all()
    assert np.isfinite(molecule.columns()["pressure (kbar)"]).all()


def test_a_stress_that_is_lost_halts_the_barostat_s_replica_alone():
    starts = [
        (bulk("Cu", cubic=True), Conditions(ensemble, 900, n_steps=200, seed=3))
        for ensemble in ("npt", "nvt")
    ]
    halted, done = (by_calculator("LosingStressEMT", [start])[0] for start in starts)
    assert halted.outcome.halted == "not a number"
    assert 0 < halted.outcome.n_steps < 200
    assert np.isfinite(halted.cell).all()
    assert done.outcome.state == "done"
    pressure = done.columns()["pressure (kbar)"]
    assert np.isfinite(pressure[0])
    assert np.isnan(pressure).any()
