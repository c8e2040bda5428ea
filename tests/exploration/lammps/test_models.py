"""Trained models of either backend in the driver, against their makers' calculators."""

import numpy as np
import pytest
import torch
from mace.calculators import MACECalculator
from metatomic_ase import MetatomicCalculator

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.script import LOG_FILE, Output
from flowpot.exploration.lammps.trajectory import read_thermo
from flowpot.exploration.members import SKIN
from flowpot.exploration.sanity import SanityLimits
from flowpot.potentials import load_potential


@pytest.fixture(scope="module", params=["mace", "pet"])
def model(request, random_mace, random_pet, tmp_path_factory):
    """A file of a model with random weights in double precision, and its calculator."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "pet":
        file = folder / "silicon.pt"
        random_pet(1, dtype="float64").save(str(file))
        return file, MetatomicCalculator(file, device="cpu")
    file = folder / "silicon.model"
    torch.save(random_mace(1, dtype="float64"), file)
    return file, MACECalculator(str(file), device="cpu", default_dtype="float64")


def test_forces_and_pressure(model, silicon, step_zero):
    file, reference = model
    silicon.set_cell(silicon.cell.array @ [[1, 0.1, 0], [0, 1, 0.05], [0, 0, 1.1]])
    silicon.rotate(50, (1, 2, 3), rotate_cell=True)
    silicon.rattle(0.1, seed=1)
    found = step_zero(silicon, load_potential(file, "cpu").calculator(SKIN))
    silicon.calc = reference
    energy = silicon.get_potential_energy()
    assert found.energy == pytest.approx(energy, abs=1e-8)
    np.testing.assert_allclose(found.forces, silicon.get_forces(), atol=1e-9)
    np.testing.assert_allclose(
        found.stress, silicon.get_stress(voigt=False), rtol=1e-5, atol=1e-9
    )


@pytest.mark.slow
def test_hot_trajectory(model, silicon, simulate):
    """Neighbours followed from step to step, through a barostat: no energy is lost."""
    file, reference = model
    silicon.rattle(0.05, seed=1)
    folder, outcome, frames = simulate(
        silicon,
        Conditions("npt", 1500, 20, n_steps=150, timestep=2.0, barostat="tri"),
        Output(30, thermo_interval=30),
        members=[{"model": str(file)}],
        limits=SanityLimits(contact=0.0),
    )
    assert (outcome.n_steps, outcome.error) == (150, None)
    energies = []
    for atoms in frames:
        atoms.calc = reference
        energies.append(atoms.get_potential_energy())
    logged = read_thermo(folder / LOG_FILE)["potential energy (eV)"][1:]
    np.testing.assert_allclose(logged, energies, atol=1e-7)
    moved = frames[4].positions - frames[0].positions
    assert np.abs(moved).max() > SKIN / 2


@pytest.mark.slow
def test_energy_is_conserved(model, silicon, simulate):
    file, _ = model
    silicon.rattle(0.05, seed=1)
    folder, _, _ = simulate(
        silicon,
        Conditions("nve", 600, n_steps=200, timestep=0.5),
        Output(200, thermo_interval=5),
        members=[{"model": str(file)}],
    )
    thermo = read_thermo(folder / LOG_FILE)
    total = thermo["total energy (eV)"]
    assert np.ptp(total) < 1e-3 * np.ptp(thermo["kinetic energy (eV)"])
