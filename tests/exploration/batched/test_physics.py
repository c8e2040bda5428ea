"""Averages of batched dynamics against what is known, and against LAMMPS."""

# ruff: noqa: T201 - arguments of the interface; the figures are to be seen

import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.binary import run_binary
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.run import Run, write_run
from flowpot.exploration.lammps.trajectory import read_frames, read_thermo
from flowpot.exploration.sampling import Output
from flowpot.exploration.sanity import SanityLimits
from lennard_jones import LennardJones

pytestmark = pytest.mark.slow

LMP = str(Path(sys.executable).parent / "lmp")


@pytest.mark.parametrize("barostat", ["iso", "aniso", "tri"])
def test_the_volume_of_an_ideal_gas(barostat, ideal_gas, run_batch):
    """
    V is distributed as V^(N-1) exp(-PV/kT), N atoms with their centre at rest.

    That holds for each barostat: a shear changes no volume, and nothing resists it.
    """
    n, kelvin, kbar = 8, 300.0, 1.0
    expected = n * units.kB * kelvin / (1e3 * units.bar * kbar)
    starts = []
    for seed in range(40):
        edge = expected ** (1 / 3)
        places = np.random.default_rng(seed).uniform(0, edge, (n, 3))
        atoms = Atoms(f"Ar{n}", places, cell=[edge] * 3, pbc=True)
        conditions = Conditions(
            *("npt", kelvin, kbar),
            n_steps=1500,
            timestep=10.0,
            seed=seed + 1,
            barostat=barostat,
            temperature_damping=20,
            pressure_damping=60,
        )
        starts.append((atoms, conditions))
    limits = SanityLimits(contact=0.0, volume=(1e-4, 1e4))
    output = Output(1500, thermo_interval=10)
    done = run_batch(
        starts, [ideal_gas()], output, limits=limits, bulk_modulus=0.1 * kbar
    )
    assert all(replica.outcome.halted is None for replica in done)
    columns = [{k: v[50:] for k, v in r.columns().items()} for r in done]
    for name, mean in (("volume (A^3)", expected), ("temperature (K)", kelvin)):
        means = np.array([each[name].mean() for each in columns])
        error = means.std(ddof=1) / np.sqrt(len(means))
        print(f"{barostat}: {name} {means.mean():.2f} +- {error:.2f}, exact {mean:.2f}")
        assert abs(means.mean() - mean) < 4 * error
        assert error < 0.05 * mean
    volumes = np.concatenate([each["volume (A^3)"] for each in columns])
    relative = volumes.std() / volumes.mean()
    assert relative == pytest.approx(1 / np.sqrt(n), rel=0.15)


def distances(frames):
    """Histogram of the distances between atoms, per atom and frame."""
    edges = np.linspace(3.0, 5.5, 26)
    found = [
        d[np.triu_indices(len(d), 1)]
        for d in (atoms.get_all_distances(mic=True) for atoms in frames)
    ]
    counts = np.histogram(np.concatenate(found), edges)[0]
    return counts / len(found) / len(frames[0])


@pytest.mark.parametrize("ensemble", ["npt", "nvt"])
def test_argon_as_in_lammps(ensemble, run_batch, tmp_path):
    """<T>, <P>, <V> and the distances, by other equations of motion."""
    crystal = bulk("Ar", a=5.35, cubic=True) * (2, 2, 2)
    kelvin, kbar, step = 60.0, 0.5, 4.0
    damped = {"temperature_damping": 50, "pressure_damping": 250, "timestep": step}
    native = Conditions(ensemble, kelvin, kbar, n_steps=150_000, **damped)
    start = crystal.copy()
    start.rattle(0.05, seed=0)
    plan = Run(native, Output(250, thermo_interval=50), [{"model": "argon"}])
    write_run(tmp_path, plan, start)
    outcome = run_binary(tmp_path, LennardJones("cpu"), LMP)
    assert outcome.n_steps == 150_000
    reference = read_thermo(tmp_path / "log.lammps")
    late = reference["step"] > 15_000
    frames = read_frames([tmp_path / "frames.dump"], start, LammpsCell.of(start))
    known = distances([atoms for s, atoms in frames.items() if s > 15_000])

    starts = []
    for seed in range(12):
        atoms = crystal.copy()
        atoms.rattle(0.05, seed=seed)
        conditions = Conditions(
            ensemble, kelvin, kbar, n_steps=8000, seed=seed + 1, **damped
        )
        starts.append((atoms, conditions))
    done = run_batch(starts, output=Output(250, thermo_interval=20), bulk_modulus=2.0)
    columns = [r.columns() for r in done]
    for name in ("temperature (K)", "pressure (kbar)", "volume (A^3)"):
        means = np.array([c[name][c["step"] > 2000].mean() for c in columns])
        error = means.std(ddof=1) / np.sqrt(len(means))
        blocks = np.array_split(reference[name][late], 20)
        theirs = np.array([block.mean() for block in blocks])
        mean = theirs.mean()
        both = np.hypot(error, theirs.std(ddof=1) / np.sqrt(len(theirs)))
        print(f"{ensemble} {name}: {means.mean():.4f}, LAMMPS {mean:.4f} +- {both:.4f}")
        assert abs(means.mean() - mean) < 4 * both + 1e-9
    found = distances([a for r in done for s, a in r.sampled().items() if s > 2000])
    print(np.abs(found - known).max(), known.max())
    assert np.abs(found - known).max() < 0.03 * known.max()
