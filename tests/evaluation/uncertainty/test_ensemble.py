"""The spread of one model's own ensemble, as llpr has it."""

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder

from flowpot import EvaluationMaker
from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteeCalculator, EnsembleSpread, judge
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.uncertainty.contract import check_uncertainty
from flowpot.evaluation.uncertainty.registry import uncertainties_of
from flowpot.potentials import Prediction

FACTORS = np.array([-0.1, 0.0, 0.05, 0.2])
TOLERANCE = {"energy": 0.01, "forces": 0.1}


@pytest.fixture
def with_ensemble(committee):
    """Make EMT times a factor, whose ensemble has other factors around it."""
    scaled = type(committee[0])

    class EnsembleEMT(scaled):
        def __init__(self, factor, width=1.0):
            super().__init__(factor)
            self.factors = factor + width * FACTORS

        has_ensemble = True

        def evaluate_ensemble(self, dataset, batch_size=None):
            members = [scaled(f).evaluate(dataset, batch_size) for f in self.factors]
            return Prediction(
                np.stack([member.energy for member in members]),
                np.stack([member.forces for member in members]),
                np.stack([member.stress for member in members]),
            )

    return EnsembleEMT


@pytest.fixture
def frames(copper):
    """Frames of two sizes."""
    small = copper(3, 1)
    return Dataset.from_atoms([*small, small[0] * (2, 1, 1)])


def test_it_keeps_the_contract(with_ensemble, committee, copper, frames):
    check_uncertainty(EnsembleSpread, [with_ensemble(1.1)], copper(4, 50), frames)
    members = [*committee, with_ensemble(1.1), with_ensemble(1.2, width=2.0)]
    check_uncertainty(EnsembleSpread, members, copper(4, 50), frames)


def test_it_is_the_spread_of_the_ensemble(with_ensemble, frames):
    """The ensemble differs by factors, whose standard deviation scales all of it."""
    spread = np.sqrt(((FACTORS - FACTORS.mean()) ** 2).mean())
    emt = with_ensemble(1.0).evaluate(frames)
    atoms = spread * np.linalg.norm(emt.forces, axis=1) / np.sqrt(3)
    energy = spread * np.abs(emt.energy) / frames.n_atoms
    measured = EnsembleSpread().measure_atoms([with_ensemble(1.1)], frames)
    assert set(measured) == {"ensemble_forces", "ensemble_energy"}
    assert measured["ensemble_forces"] == pytest.approx(atoms)
    assert measured["ensemble_energy"] == pytest.approx(energy.repeat(frames.n_atoms))
    measured = EnsembleSpread().measure([with_ensemble(1.1)], frames)
    names = {"ensemble_forces", "ensemble_forces_rms", "ensemble_energy"}
    assert set(measured) == names
    for i, rows in enumerate(frames.rows):
        largest, rms = atoms[rows].max(), np.sqrt((atoms[rows] ** 2).mean())
        assert measured["ensemble_forces"][i] == pytest.approx(largest)
        assert measured["ensemble_forces_rms"][i] == pytest.approx(rms)
    assert measured["ensemble_energy"] == pytest.approx(energy)


def test_members_are_averaged_where_they_have_an_ensemble(
    with_ensemble, committee, frames
):
    one = EnsembleSpread().measure([with_ensemble(1.1)], frames)
    members = [*committee, with_ensemble(1.1), with_ensemble(1.2, width=2.0)]
    for name, values in EnsembleSpread().measure(members, frames).items():
        assert values == pytest.approx(1.5 * one[name])


def test_a_committee_without_an_ensemble_goes_without_it(committee, copper, frames):
    with pytest.raises(NotImplementedError, match="an ensemble of its own"):
        EnsembleSpread.fit(committee, frames)
    with pytest.raises(NotImplementedError, match="an ensemble of its own"):
        EnsembleSpread().measure(committee, frames)
    with pytest.raises(NotImplementedError, match="emt models have no ensemble"):
        committee[0].evaluate_ensemble(frames)
    learned = copper(4, 50, split="train")
    names = ["EnsembleSpread", "FeatureDistance"]
    found = uncertainties_of(committee, learned, chosen=names)
    assert [type(each).__name__ for each in found] == ["FeatureDistance"]
    with pytest.raises(ValueError, match="one member, and no member of the committee"):
        uncertainties_of(committee[:1], learned, chosen=names[:1])


def test_a_committee_of_one_runs_on_it(with_ensemble, copper):
    """It is chosen by name, predicts the errors, and gives error bars."""
    member = with_ensemble(1.1)
    learned = copper(10, 1, split="train", config_type="distorted")
    held_out = copper(30, 100, split="val", config_type="md")
    explored = copper(30, 500, config_type="md").without_labels()
    maker = EvaluationMaker(TOLERANCE, pilot_labels=0, uncertainties=["EnsembleSpread"])
    maker = MontyDecoder().decode(MontyEncoder().encode(maker))
    labelled = Dataset.concatenate([learned, held_out])
    judgement = judge([member], labelled, explored, maker)
    for fit in judgement.calibration.values():
        assert fit.rank_correlation > 0.8  # errors are a factor, too
    assert "uncertainty_ensemble_energy" in judgement.chosen.info
    doc = EvaluationDoc.of(judgement)
    doc = EvaluationDoc.model_validate_json(doc.model_dump_json())
    calculator = CommitteeCalculator(
        [member], doc.calibration, uncertainties=doc.uncertainties
    )
    atoms = explored[0]
    atoms.calc = calculator
    atoms.get_forces()
    assert atoms.calc.results["energy_error"] > 0
    assert (atoms.calc.results["forces_error"] > 0).all()
