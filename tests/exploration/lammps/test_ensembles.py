"""Averages over trajectories, against targets and against ASE's own dynamics."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.script import LOG_FILE, Output
from flowpot.exploration.lammps.trajectory import read_thermo

ARGON = {
    "calculator": "ase.calculators.lj.LennardJones",
    "kwargs": {"epsilon": 0.0104, "sigma": 3.40, "rc": 8.0, "ro": 6.0, "smooth": True},
}


def mean_and_error(series, blocks=8):
    """Mean of a correlated series, and its standard error from block averages."""
    length = len(series) // blocks
    means = series[-blocks * length :].reshape(blocks, length).mean(axis=1)
    return means.mean(), means.std(ddof=1) / np.sqrt(blocks)


@pytest.fixture
def argon():
    atoms = bulk("Ar", a=5.33, cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.slow
def test_energy_does_not_drift(argon, simulate):
    conditions = Conditions("nve", 60, n_steps=4000, timestep=0.5)
    folder, _, _ = simulate(argon, conditions, Output(1000), members=[ARGON])
    thermo = read_thermo(folder / LOG_FILE)
    per_atom = thermo["total energy (eV)"] / len(argon)
    slope = np.polyfit(thermo["time (ps)"], per_atom, 1)[0]
    assert abs(slope) < 1e-5  # eV/atom/ps


def test_langevin_has_its_temperature_whatever_the_masses(simulate):
    """In a cell of two atoms, of which one is 18 times as heavy as the other."""
    atoms = Atoms("LiI", [(0, 0, 0), (2.2, 2.2, 2.2)], cell=[4.4] * 3, pbc=True)
    near = {**ARGON, "kwargs": {**ARGON["kwargs"], "rc": 5.0, "ro": 4.5}}
    conditions = Conditions("langevin", 60, n_steps=3000, temperature_damping=20)
    folder, _, _ = simulate(atoms, conditions, Output(1000), members=[near])
    mean, error = mean_and_error(read_thermo(folder / LOG_FILE)["temperature (K)"])
    assert abs(mean - 60) < 4 * error
    assert error < 12


@pytest.mark.parametrize("ensemble", ["nvt", "langevin"])
def test_a_molecule_vibrates_as_its_temperature_says(ensemble, simulate):
    """Equipartition: kT/2 of potential energy in each of its three vibrations."""
    side = 3.4 * 2 ** (1 / 6)
    atoms = Atoms("Ar3", [(0, 0, 0), (side, 0, 0), (side / 2, side * 0.75**0.5, 0)])
    conditions = Conditions(
        ensemble, 5, n_steps=8000, timestep=10, temperature_damping=30, minimise=50
    )
    folder, _, _ = simulate(atoms, conditions, Output(1000), members=[ARGON])
    thermo = read_thermo(folder / LOG_FILE)
    energies = thermo["potential energy (eV)"]
    mean, error = mean_and_error(2 / 3 * (energies - energies[0]) / units.kB)
    assert abs(mean - 5) < 4 * error + 0.5
    assert error < 0.8
    mean, error = mean_and_error(thermo["temperature (K)"])
    assert abs(mean - 5) < 4 * error


@pytest.mark.slow
def test_barostat_reaches_its_pressure(argon, simulate):
    conditions = Conditions(
        "npt", 60, 1.0, n_steps=10_000, timestep=2.0, pressure_damping=200
    )
    folder, _, _ = simulate(argon, conditions, Output(1000), members=[ARGON])
    thermo = read_thermo(folder / LOG_FILE)
    late = thermo["time (ps)"] > 4
    for axis in ("", " xx", " yy", " zz"):
        mean, error = mean_and_error(thermo[f"pressure{axis} (kbar)"][late])
        assert abs(mean - 1.0) < 4 * error + 0.02, axis
    mean, error = mean_and_error(thermo["temperature (K)"][late])
    assert abs(mean - 60) < 4 * error + 0.5


@pytest.mark.slow
def test_lattice_constant_is_that_of_ase(simulate):
    """At the mean volume of our NPT, ASE's NVT has the pressure that was asked for."""
    atoms = bulk("Cu", a=3.62, cubic=True) * (2, 2, 2)
    conditions = Conditions(
        "npt", 300, n_steps=5000, barostat="iso", timestep=2.0, pressure_damping=150
    )
    folder, _, _ = simulate(atoms, conditions, Output(1000))
    thermo = read_thermo(folder / LOG_FILE)
    late = thermo["time (ps)"] > 2
    volume, error = mean_and_error(thermo["volume (A^3)"][late])
    constant = (volume / 8) ** (1 / 3)
    assert error / volume < 0.002

    crystal = bulk("Cu", a=constant, cubic=True) * (2, 2, 2)
    pressure, pressure_error = mean_and_error(langevin_pressures(crystal, 300))
    stiffness = 1300 / volume  # kbar/A^3; copper's bulk modulus over the volume
    assert abs(pressure) < 3 * np.hypot(pressure_error, stiffness * error)


def langevin_pressures(crystal, kelvin):
    """Pressures (kbar) of ASE's own dynamics at constant volume."""
    crystal.calc = EMT()
    rng = np.random.default_rng(5)
    MaxwellBoltzmannDistribution(crystal, temperature_K=2 * kelvin, rng=rng)
    dynamics = Langevin(
        crystal, 2 * units.fs, temperature_K=kelvin, friction=0.01 / units.fs, rng=rng
    )
    found = []
    dynamics.attach(
        lambda: found.append(-crystal.get_stress(include_ideal_gas=True)[:3].mean()),
        interval=10,
    )
    dynamics.run(5000)
    return np.array(found[50:]) / units.bar / 1000


DISTANCE = """
colvar {
  name d
  distance {
    group1 { atomNumbers 1 }
    group2 { atomNumbers 2 }
  }
}
"""


@pytest.fixture
def biased(simulate, tmp_path):
    """Run a dimer of copper with a bias of COLVARS, passed through as an input."""

    def run(bias, folder):
        colvars = tmp_path / "bias.colvars"
        colvars.write_text(DISTANCE + bias)
        dimer = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]])
        conditions = Conditions("langevin", 50, n_steps=400, temperature_damping=20)
        extra = [f"fix bias all colvars {colvars} output {tmp_path}/bias"]
        _, outcome, frames = simulate(
            dimer, conditions, Output(20), extra=extra, folder=folder
        )
        assert (outcome.error, outcome.halted, outcome.n_steps) == (None, None, 400)
        return np.array([atoms.get_distance(0, 1) for atoms in frames])

    return run


def test_restraint(biased):
    lengths = biased(
        "harmonic {\n colvars d\n centers 3.2\n forceConstant 20.0\n}\n", "run"
    )
    np.testing.assert_allclose(lengths[-5:], 3.2, atol=0.3)


def test_metadynamics(biased, tmp_path):
    """Its hills drive the dimer out of a well that it otherwise stays in."""
    metadynamics = """
metadynamics {
  colvars d
  hillWeight 0.1
  newHillFrequency 10
  gaussianSigmas 0.1
  useGrids off
}
"""
    free, driven = biased("", "free"), biased(metadynamics, "driven")
    assert np.ptp(driven[5:]) > 3 * np.ptp(free[5:])
    assert (tmp_path / "bias.colvars.state").read_text().count("hill") > 0
