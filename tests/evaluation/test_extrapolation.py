"""What is unlike the frames that error bars were fitted to is said to be."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Calibration,
    CommitteeCalculator,
    FeatureDistance,
    calibrate,
    disagreement,
    error,
    evaluate_committee,
)
from flowpot.potentials.mace import MACEPotential


def fitted(spread, distance) -> Calibration:
    uncertainty = {"energy": spread, "feature_distance": distance}
    errors = {"energy": 0.1 * distance}
    return calibrate(uncertainty, errors, {"energy": 0.2})["energy"]


@pytest.mark.parametrize("n", [12, 40])
def test_few_of_a_kind_are_beyond(n):
    """The mean of the k-th smallest of n uniform numbers is k / (n + 1)."""
    rng = np.random.default_rng(n)
    beyond = []
    for _ in range(200):
        fit = fitted(rng.lognormal(size=n), rng.uniform(size=n))
        new = {"energy": rng.lognormal(3, size=50)}
        new["feature_distance"] = rng.uniform(size=50)
        beyond.append((fit.extrapolation(new, "energy") > 1).mean())
    k = 1 + 0.95 * (n - 1)
    uncertain = 3 * np.std(beyond) / np.sqrt(len(beyond))
    assert np.mean(beyond) == pytest.approx(1 - k / (n + 1), abs=uncertain)


def test_few_are_beyond_in_any_of_several():
    rng = np.random.default_rng(0)

    def drawn(n):
        common = rng.normal(size=n)
        names = ("energy", "feature_distance", "rigidity", "rigidity_rms")
        logs = common + 0.5 * rng.normal(size=(len(names), n))
        return dict(zip(names, np.exp(logs), strict=True))

    known = drawn(2000)
    fit = calibrate(known, {"energy": known["energy"]}, {"energy": 1.0})["energy"]
    beyond = (fit.extrapolation(drawn(2000), "energy") > 1).mean()
    assert beyond == pytest.approx(0.05, abs=0.02)


def test_it_is_in_units_of_what_is_usual():
    """One frame that is a hundred times as far changes little."""
    fit = fitted(np.ones(41), np.append(np.linspace(0, 3.9, 40), 400.0))
    new = {"energy": np.full(4, 1e3), "feature_distance": [0, 3.8, 9.5, np.nan]}
    expected = pytest.approx([0, 1, 2.5, np.inf])
    assert fit.extrapolation(new, "energy") == expected
    again = Calibration.model_validate_json(fit.model_dump_json())
    assert again.extrapolation(new, "energy") == expected


def test_it_is_not_known_by_spreads_alone():
    spread = np.ones(4)
    fit = calibrate({"energy": spread}, {"energy": spread}, {"energy": 0.2})["energy"]
    assert np.isnan(fit.extrapolation({"energy": spread}, "energy")).all()
    known = fitted(spread, np.arange(1.0, 5.0))
    earlier = known.error_model.model_dump(exclude={"reach"})
    fields = known.model_dump() | {"error_model": earlier}
    measured = {"energy": spread, "feature_distance": spread}
    assert np.isnan(
        Calibration.model_validate(fields).extrapolation(measured, "energy")
    ).all()
    assert np.isnan(known.extrapolation({"energy": spread}, "energy")).all()


def shaken(symbol, structure, a, n, stdev, seed) -> Dataset:
    frames = []
    rng = np.random.default_rng(seed)
    for _ in range(n):
        atoms = bulk(symbol, structure, a=a * rng.uniform(0.98, 1.02)) * (2, 2, 1)
        atoms.rattle(stdev, rng=rng)
        frames.append(atoms)
    return Dataset.from_atoms(frames)


@pytest.mark.parametrize(
    ("symbol", "known", "others"),
    [
        ("Si", ("diamond", 5.43), [("sc", 2.53), ("fcc", 3.87), ("bcc", 3.08)]),
        ("Cu", ("fcc", 3.61), [("diamond", 5.35), ("sc", 2.40)]),
    ],
)
def test_other_crystals_are_unlike(random_mace, tmp_path, symbol, known, others):
    """All members err in them: no spread need show it."""
    teacher, *members = (
        MACEPotential(random_mace(seed, (symbol,)), "cpu") for seed in (1, 2, 3)
    )
    distance = FeatureDistance.fit(members, shaken(symbol, *known, 30, 0.05, seed=1))

    def measured(frames):
        prediction = evaluate_committee(members, frames)
        own = disagreement(prediction, frames) | distance.measure(members, frames)
        truth = teacher.evaluate(frames)
        labelled = frames.with_labels(energy=truth.energy, forces=truth.forces)
        return own, error(prediction, labelled)

    evidence = measured(shaken(symbol, *known, 40, 0.05, seed=2))
    fits = calibrate(*evidence, {"energy": 0.02})
    like, _ = measured(shaken(symbol, *known, 40, 0.05, seed=3))
    assert (fits["energy"].extrapolation(like, "energy") > 1).mean() < 0.2
    calculator = CommitteeCalculator(members, fits, uncertainties=[distance])
    for structure, a in [known, *others]:
        atoms = bulk(symbol, structure, a=a)
        atoms.calc = calculator
        atoms.get_potential_energy()
        beyond = calculator.results["extrapolation"]
        assert (beyond > 1) == (structure != known[0]), (structure, beyond)
