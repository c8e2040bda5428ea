"""Lattice constants and bulk moduli against a known law and a finite difference."""

import numpy as np
import pytest
import scipy
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa

from flowpot.evaluation import CommitteeCalculator
from flowpot.evaluation.calibration import Calibration
from flowpot.potentials import load_potential
from flowpot.properties import (
    CommitteeCurve,
    EquationOfState,
    committee_curve,
    scaled,
)
from flowpot.properties.equation_of_state import independent_points


def birch_murnaghan(volume, v0, e0, b0, b1):
    """Birch, Phys. Rev. 71, 809 (1947), third order; b0 in eV/A^3."""
    x = (v0 / volume) ** (2 / 3)
    return e0 + 9 * v0 * b0 / 16 * ((x - 1) ** 3 * b1 + (x - 1) ** 2 * (6 - 4 * x))


@pytest.mark.parametrize(("v0", "b0", "b1"), [(20.4, 89, 4.2), (5.7, 430, 3.6)])
def test_a_curve_is_found_again(v0, b0, b1):
    volumes = np.random.default_rng(0).permutation(v0 * np.linspace(0.9, 1.1, 9))
    found = EquationOfState.fit(
        volumes, birch_murnaghan(volumes, v0, -5.4, b0 * GPa, b1)
    )
    assert found.volume == pytest.approx(v0, rel=1e-5)
    assert found.energy == pytest.approx(-5.4, abs=1e-6)
    assert found.bulk_modulus == pytest.approx(b0, rel=1e-3)
    assert found.cubic_lattice_constant(8) == pytest.approx((8 * v0) ** (1 / 3))


@pytest.mark.parametrize("symbol", ["Cu", "Al", "Au"])
def test_it_is_where_the_pressure_vanishes(symbol):
    cells = scaled(bulk(symbol), np.linspace(0.94, 1.06, 9).tolist())
    volumes = np.array([cell.get_volume() for cell in cells])
    energies, pressures = [], []
    for cell in cells:
        cell.calc = EMT()
        energies.append(cell.get_potential_energy())
        pressures.append(-np.trace(cell.get_stress(voigt=False)) / 3)
    found = EquationOfState.fit(volumes, np.array(energies))
    v0 = np.interp(0, pressures[::-1], volumes[::-1])
    assert found.volume == pytest.approx(v0, rel=2e-3)
    slope = np.gradient(pressures, volumes)
    modulus = -v0 * np.interp(v0, volumes, slope) / GPa
    assert found.bulk_modulus == pytest.approx(modulus, rel=0.03)


def test_a_minimum_that_is_not_there_is_refused():
    volumes = np.linspace(10, 12, 7)
    with pytest.raises(ValueError, match=r"lowest energy is at an end .* 10\.00 to"):
        EquationOfState.fit(volumes, volumes)
    with pytest.raises(ValueError, match="4 volumes: a fit needs five"):
        EquationOfState.fit(volumes[:4], volumes[:4])


def test_a_committee_along_a_curve(random_mace, tmp_path):
    import torch

    paths = []
    for seed in (1, 2, 3):
        paths.append(tmp_path / f"{seed}.model")
        torch.save(random_mace(seed, dtype="float64"), paths[-1])
    fit = Calibration.model_validate(
        {
            "slope": 2.0,
            "slope_interval": (1.5, 2.5),
            "r2": 0.9,
            "rank_correlation": 0.9,
            "tolerance": 0.01,
            "threshold": 0.005,
            "n": 40,
            "effective_n": 40.0,
            "trusted": True,
        }
    )
    calculator = CommitteeCalculator(paths, {"energy": fit})
    cells = scaled(bulk("Si"), [0.95, 1.0, 1.05])
    curve = committee_curve(calculator, cells)
    assert curve.members.shape == (3, 3)
    expected = load_potential(paths[1]).calculator().get_potential_energy(cells[2]) / 2
    assert curve.members[1, 2] == pytest.approx(expected)
    assert (curve.error > 0).all()
    assert (curve.band >= curve.error).all()
    assert curve.covers(curve.mean + 0.9 * curve.band) == 1
    assert curve.covers(curve.mean - 1.1 * curve.band) == 0
    with pytest.raises(ValueError, match="cells is empty"):
        committee_curve(calculator, [])
    with pytest.raises(ValueError, match="no calibration of the energy"):
        committee_curve(CommitteeCalculator(paths), cells)


def test_whole_curves_stay_in_the_band():
    """Three independent parts of energy curves: bars of 95 % a point are too small."""
    rng = np.random.default_rng(0)
    at = np.linspace(-1, 1, 9)
    parts = np.array([np.ones_like(at), 0.7 * at, 0.5 * at**2])
    size = np.sqrt((parts**2).sum(axis=0))
    inside = {"points": 0, "band": 0}
    for _ in range(2000):
        *members, error = rng.normal(size=(5, 3)) @ parts / size
        n = independent_points(np.array(members))
        assert n >= 1
        for name, chance in (("points", 0.95), ("band", 1 - 0.05 / n)):
            bar = scipy.stats.norm.interval(chance)[1]
            inside[name] += (np.abs(error) <= bar).all()
    assert inside["points"] < 0.91 * 2000
    assert 0.935 * 2000 < inside["band"] < 0.97 * 2000


def test_the_band_covers_a_share():
    bars = np.full(4, 0.05), np.full(4, 0.1)
    curve = CommitteeCurve(np.ones(4), np.zeros((2, 4)), *bars)
    assert curve.covers(np.array([0.05, -0.05, 0.2, -0.2])) == 0.5
