"""A trained committee is validated against the potential that it was taught by."""

import numpy as np
import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot import CommitteeTrainingMaker, MACETrainingMaker, ValidationMaker
from flowpot.dataset import Dataset
from flowpot.evaluation import calibrate, disagreement, error, evaluate_committee
from flowpot.properties import ValidationDoc
from flowpot.training import CommitteeDoc
from known_potentials import stillinger_weber

from .conftest import ATOM, distorted, label, make_silicon

pytestmark = pytest.mark.slow

OPTIONS = {"supercell_length": 8.0, "nve_steps": 100}
CHECKS = ("acoustic_at_gamma", "energy_drift", "energy_fluctuation")


def finished(flow, store):
    run_locally(flow, store=store, create_folders=True, ensure_success=True)
    return flow.output.resolve(store)


def test_intervals_hold_what_the_teacher_says(jobstore, clean_dir):
    """Constants within 10 %, nine of ten intervals right, and no imaginary modes."""
    training = CommitteeTrainingMaker(
        trainer=MACETrainingMaker.small(max_num_epochs=40), size=4, members_per_job=4
    )
    frames = make_silicon(train=60, val=12, test=8)
    committee = CommitteeDoc.model_validate(
        finished(training.make(frames, seed=5), jobstore)
    )
    fresh = Dataset.from_atoms([label(atoms, "audit") for atoms in distorted(40, 99)])
    prediction = evaluate_committee(committee, fresh)
    errors = error(prediction, fresh)
    typical = {name: float(np.median(errors[name])) for name in ("forces", "stress")}
    fits = calibrate(disagreement(prediction, fresh), errors, typical, rule="chance")
    cell = bulk("Si", a=5.45)
    taught = ValidationDoc.model_validate(
        finished(ValidationMaker(**OPTIONS).make([stillinger_weber], cell), jobstore)
    ).crystal()
    truth = {q.name: q.mean for q in taught.quantities if q.name not in CHECKS}
    truth["energy"] += ATOM
    maker = ValidationMaker(references=truth, **OPTIONS)
    flow = maker.make(committee, cell, calibration=fits)
    document = ValidationDoc.model_validate(finished(flow, jobstore))
    crystal = document.crystal()
    assert not crystal.failures
    compared = [q for q in crystal.quantities if q.is_covered is not None]
    assert np.mean([q.is_covered for q in compared]) >= 0.9
    for name in ("C11", "C12", "C44", "bulk_modulus", "lattice_constant"):
        quantity = crystal.quantity(name)
        assert quantity.interval_kind == "calibrated"
        assert quantity.mean == pytest.approx(truth[name], rel=0.1)
        assert quantity.relative_half_width < 0.3
    assert crystal.quantity("lowest_frequency").mean > -0.05
    assert abs(crystal.quantity("energy_drift").mean) < 0.2
    c11, c12 = (crystal.quantity(name).mean for name in ("C11", "C12"))
    modulus = crystal.quantity("bulk_modulus").mean
    assert modulus == pytest.approx((c11 + 2 * c12) / 3, rel=0.03)
