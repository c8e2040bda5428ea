"""Intervals by an error model that is known."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteeCalculator
from flowpot.properties.error_ratios import calculator_of, error_ratio
from flowpot.properties.statistics import interval


@pytest.fixture(scope="module")
def models(random_mace, tmp_path_factory):
    import torch

    paths, folder = [], tmp_path_factory.mktemp("models")
    for seed in (1, 2, 3):
        paths.append(folder / f"{seed}.model")
        torch.save(random_mace(seed, dtype="float64"), paths[-1])
    return paths


@pytest.fixture
def cells():
    frames = [bulk("Si", "diamond", a=a, cubic=True) for a in (5.3, 5.4, 5.6)]
    for seed, frame in enumerate(frames):
        frame.rattle(0.05, seed=seed)
    return Dataset.from_atoms(frames)


def test_errors_in_proportion_to_the_spread_have_that_ratio(models, cells, line):
    fits = {"energy": line(4.0), "forces": line(3.0), "stress": line(2.0)}
    calculator = CommitteeCalculator(models, fits)
    assert error_ratio(calculator, cells, "phonons").ratio == pytest.approx(3.0)
    assert error_ratio(calculator, cells, "elastic").ratio == pytest.approx(2.0)
    eos = error_ratio(calculator, cells, "eos")
    assert eos.ratio == pytest.approx(2.0)  # pressures are stresses
    assert eos.energy_members.shape == (3, 3)
    spread = eos.energy_members.std(axis=0)
    assert eos.energy_errors == pytest.approx(4.0 * spread)
    assert error_ratio(calculator, cells, "nve").ratio is None


def test_a_calibration_that_is_not_trusted_comes_last(models, cells, line):
    with pytest.warns(UserWarning, match="not to be relied on"):
        calculator = CommitteeCalculator(
            models, {"energy": line(4.0), "stress": line(2.0, trusted=False)}
        )
    eos = error_ratio(calculator, cells, "eos")
    assert (eos.ratio, eos.reason) == (pytest.approx(4.0), None)
    elastic = error_ratio(calculator, cells, "elastic")
    assert elastic.ratio == pytest.approx(2.0)
    assert elastic.reason == "the calibration of the stress: it has 3 frames"
    phonons = error_ratio(calculator, cells, "phonons")
    assert phonons.ratio is None
    assert phonons.reason == "there is no calibration of forces"


def test_a_committee_that_is_not_there_is_a_reason():
    assert calculator_of([], None, None) == (None, "no calibration was given")
    calculator, reason = calculator_of(["gone.model"], {"energy": {}}, None)
    assert calculator is None
    assert "was not loaded for it" in reason


def test_the_interval_of_the_members_covers_a_further_one():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        *drawn, truth = rng.normal(size=5)
        (low, high), kind = interval(drawn)
        assert kind == "members"
        covered += low <= truth <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
