"""A disagreement joined with that of the forces."""

import numpy as np
import pytest
from ase.build import bulk
from scipy.stats import spearmanr

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    CommitteeCalculator,
    calibrate,
    disagreement,
    evaluate_committee,
    select,
)
from flowpot.evaluation.mixture import Mixture
from flowpot.potentials.mace import MACEPotential

TOLERANCE = {"energy": 0.01, "forces": 0.1}


@pytest.fixture
def sample(rng):
    """200 frames whose error in energy both disagreements tell something of."""
    own, forces = rng.lognormal(-5, 1, 200), rng.lognormal(-2, 1, 200)
    energy = 3 * own**0.4 * forces**1.2 * rng.lognormal(0, 0.1, 200) / 5
    spread = {"energy": own, "forces": forces, "stress": np.full(200, np.nan)}
    return spread, {"energy": energy, "forces": 2 * forces}


def test_the_exponents_are_found(sample):
    spread, error = sample
    found = Mixture.fit(spread["energy"], spread["forces"], error["energy"])
    assert found.weight == pytest.approx(1.2 / 1.6, abs=0.03)
    scaled = found.join(spread["energy"], spread["energy"] / found.scale)
    assert scaled == pytest.approx(spread["energy"])  # the unit is that of the energy


def test_what_explains_nothing_has_no_weight(rng):
    own = rng.lognormal(size=200)
    assert Mixture.fit(own, 1 / own, own**2).weight == pytest.approx(0, abs=1e-9)
    assert Mixture.fit(own, own, 1 / own) is None
    assert Mixture.fit(own[:3], own[:3], own[:3]) is None


def test_it_ranks_better_and_decides(sample, rng):
    spread, error = sample
    alone = calibrate(spread, error, TOLERANCE)
    joined = calibrate(spread, error, TOLERANCE, with_forces=["energy"])
    assert joined["forces"] == alone["forces"]
    energy = joined["energy"]
    assert energy.rank_correlation > 0.95 > alone["energy"].rank_correlation + 0.1
    measured = energy.measure(spread, "energy")
    assert spearmanr(measured, error["energy"])[0] == pytest.approx(
        energy.rank_correlation
    )
    chosen = select(spread, {"energy": energy}, rng=rng).selected
    assert set(chosen) == set(np.flatnonzero(measured > energy.threshold))


def test_the_calculator_measures_alike(sample, random_mace):
    fits = calibrate(*sample, TOLERANCE, with_forces=["energy"])
    members = [MACEPotential(random_mace(seed, dtype="float64")) for seed in (1, 2)]
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1)
    calculator = CommitteeCalculator(members, fits)
    calculator.calculate(atoms)
    frame = Dataset.from_atoms([atoms])
    spread = disagreement(evaluate_committee(members, frame), frame)
    expected = fits["energy"].measure(spread, "energy") / fits["energy"].slope
    assert calculator.results["energy_error"] == pytest.approx(expected[0])
    own = spread["energy"] / fits["energy"].slope
    assert expected[0] != pytest.approx(own[0], rel=0.01)


def test_forces_are_not_joined_with_themselves(sample):
    with pytest.raises(ValueError, match="but forces cannot be joined"):
        calibrate(*sample, TOLERANCE, with_forces=["forces"])
