"""A watched trajectory is judged as an evaluation would judge its frames."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Criteria,
    calibrate,
    judge,
    load_committee,
    spread_over,
)
from flowpot.evaluation.covariates import covariates_of
from flowpot.exploration import BatchedMDMaker, LammpsMDMaker
from flowpot.exploration.preparation import Committee, Planned
from flowpot.exploration.watch import Reading, breach

SETTINGS = {
    "n_steps": 30,
    "sample_interval": 10,
    "check_interval": 10,
    "ensemble": "nvt",
    "upper_factor": 1e6,
}


def rattled(n: int, seed: int, **info) -> Dataset:
    """Cells of copper, labelled by EMT."""
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.02 + 0.2 * i / n, seed=seed + i)
        atoms.calc = EMT()
        atoms.get_stress()
        frames.append(atoms)
    return Dataset.from_atoms(frames).with_info(
        **{name: np.full(n, value, object) for name, value in info.items()}
    )


@pytest.fixture(scope="module")
def calibration(random_committee):
    """Of an evaluation that has more uncertainties than predictions alone give."""
    learned = rattled(10, 1, split="train", config_type="distorted")
    audits = rattled(20, 100, split="audit", config_type="md")
    labelled = Dataset.concatenate([learned, audits])
    explored = rattled(10, 500, config_type="md").without_labels()
    criteria = Criteria({"forces": 1.0}, pilot_labels=0, closing_audit=0)
    fits = judge(random_committee, labelled, explored, criteria).calibration
    assert "feature_distance" in fits["forces"].error_model.names
    return fits


@pytest.mark.parametrize("engine", [LammpsMDMaker, BatchedMDMaker])
def test_its_chance_is_that_of_the_model(
    engine, random_committee, calibration, clean_dir
):
    start = rattled(1, 7).without_labels()
    maker = engine(**SETTINGS)
    plan = Planned(start[0], maker.conditions(600), start.fingerprints[0])
    committee = Committee(
        random_committee.members,
        0,
        {name: fit.model_dump() for name, fit in calibration.items()},
    )
    [run] = maker.simulate([plan], committee)
    assert run.state == "done", run.reason
    members = load_committee(random_committee)
    frames = Dataset.load(run.dataset)
    log = {name: np.array(column)[1:] for name, column in run.disagreement.items()}
    assert log["step"].tolist() == frames.info["md_step"].tolist()
    seen = spread_over(members, frames).disagreement
    fit = calibration["forces"]
    by_predictions = fit.spread_model
    assert {"spread", "force_magnitude"} <= set(by_predictions.names)
    [chance, watched] = [
        by_predictions.chance(covariates_of(known, "forces"), fit.tolerance)
        for known in (seen, log)
    ]
    assert 0.01 < chance.min() < 0.99
    assert watched == pytest.approx(chance, rel=1e-3)
    assert fit.chance_over(log, "forces") == pytest.approx(chance, rel=1e-3)
    assert log["excess"] == pytest.approx(fit.excess(seen, "forces"), rel=1e-3)


def test_a_molecule_is_not_halted_for_want_of_a_stress():
    spread = np.linspace(0.1, 1, 20)
    known = {"forces": spread, "stress": spread}
    fits = calibrate(known, known, {"stress": 1.0}, rule="chance")
    seen = {"forces": 0.2, "stress": np.nan}
    assert breach(Reading(10, seen, 0.0), fits, 20.0) is None
    lost = {"forces": np.nan, "stress": np.nan}
    assert breach(Reading(10, lost, np.inf), fits, 20.0) == "disagreement in stress"
