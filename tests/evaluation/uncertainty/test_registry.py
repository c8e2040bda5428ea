"""An uncertainty of another package, from its name to the committee's file."""

import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder

from flowpot import EvaluationMaker
from flowpot.dataset import Dataset
from flowpot.evaluation import (
    CommitteeCalculator,
    Criteria,
    FeatureDistance,
    Uncertainty,
    judge,
)
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.uncertainty.registry import ENTRY_POINTS, restored
from flowpot.potentials.mace import MACEPotential

TOLERANCE = {"forces": 0.02}


class Strangeness(Uncertainty):
    """How much larger the predicted forces are than those of the training set."""

    def __init__(self, usual=1.0):
        self.usual = usual

    @classmethod
    def fit(cls, potentials, training):
        if not hasattr(potentials[0], "evaluate"):
            raise NotImplementedError
        return cls(float(np.abs(potentials[0].evaluate(training).forces).mean()))

    def measure_atoms(self, potentials, dataset):
        forces = potentials[-1].evaluate(dataset).forces
        return {"strangeness": np.linalg.norm(forces, axis=1) / self.usual}

    def to_bytes(self):
        return json.dumps(self.usual).encode()

    @classmethod
    def from_bytes(cls, content):
        return cls(json.loads(content))


@pytest.fixture
def installed(monkeypatch):
    """Announce the class as an installed package does."""
    value = f"{Strangeness.__module__}:Strangeness"
    point = EntryPoint("strangeness", value, ENTRY_POINTS)

    def entry_points(group):
        return [point] if group == ENTRY_POINTS else []

    monkeypatch.setattr("flowpot.plugins.entry_points", entry_points)


@pytest.fixture
def sets(copper):
    """Labelled frames, some for training and some explored, and explored ones."""
    learned = copper(10, 1, split="train", config_type="distorted")
    held_out = copper(20, 100, split="val", config_type="md")
    explored = copper(30, 500, config_type="md").without_labels()
    return Dataset.concatenate([learned, held_out]), explored


@pytest.mark.usefixtures("installed")
def test_a_named_uncertainty_becomes_a_covariate(committee, sets):
    criteria = Criteria(
        TOLERANCE, pilot_labels=0, uncertainties=["Strangeness", "FeatureDistance"]
    )
    judgement = judge(committee, *sets, criteria)
    names = judgement.calibration["forces"].error_model.names
    assert {"spread", "strangeness", "strangeness_rms", "rigidity"} <= set(names)
    assert judgement.calibration["forces"].spread_model.names == (
        "spread",
        "force_magnitude",
        "force_magnitude_rms",
    )
    assert "uncertainty_strangeness" in judgement.chosen.info
    kinds = [type(each.load()) for each in judgement.uncertainties]
    assert kinds == [Strangeness, FeatureDistance]
    # What was chosen is remembered with it, also after a file.
    first = Dataset.from_bytes(judgement.predictions.to_bytes())
    labelled = Dataset.concatenate([sets[0], *learned_from(judgement, sets)])
    later = judge(committee, labelled, sets[1], criteria, predictions=[first])
    assert "strangeness" in later.calibration["forces"].error_model.names
    assert np.isfinite(later.evidence.disagreement["strangeness"]).any()
    # It predicts nothing any more once it is not chosen.
    without = Criteria(TOLERANCE, pilot_labels=0, uncertainties=[])
    judgement = judge(committee, labelled, sets[1], without, predictions=[first])
    names = judgement.calibration["forces"].error_model.names
    assert names == ("spread", "force_magnitude", "force_magnitude_rms")
    assert judgement.calibration["forces"].n > 20


def learned_from(judgement, sets):
    """Label the chosen frames as training frames."""
    index = np.isin(sets[1].fingerprints, judgement.chosen.fingerprints)
    frames = sets[1][index]
    labels = np.zeros(len(frames))
    yield frames.with_labels(
        energy=labels,
        forces=np.zeros_like(frames.positions),
        stress=np.zeros((len(frames), 3, 3)),
    ).with_info(split=np.full(len(frames), "train", dtype=object))


@pytest.mark.usefixtures("installed")
def test_an_instance_is_taken_as_it_is(committee, sets):
    maker = EvaluationMaker(TOLERANCE, pilot_labels=0, uncertainties=[Strangeness(7.0)])
    again = MontyDecoder().decode(MontyEncoder().encode(maker))
    assert again.uncertainties[0].usual == 7.0
    judgement = judge(committee, *sets, again)
    assert [each.load().usual for each in judgement.uncertainties] == [7.0]
    doc = EvaluationDoc.of(judgement)
    doc = EvaluationDoc.model_validate_json(doc.model_dump_json())
    calculator = CommitteeCalculator(
        committee, doc.calibration, uncertainties=doc.uncertainties
    )
    atoms = sets[1][0]
    atoms.calc = calculator
    atoms.get_forces()
    assert (atoms.calc.results["forces_error"] > 0).all()


def test_a_committees_file_holds_what_was_fitted(random_mace, tmp_path, copper):
    import torch

    files = []
    for seed in (1, 2):
        files.append(tmp_path / f"{seed}.model")
        torch.save(random_mace(seed, ("Cu",)), files[-1])
    members = [MACEPotential(torch.load(f, weights_only=False), "cpu") for f in files]
    frames = copper(3, 1)
    fitted = [FeatureDistance.fit(members[::-1], frames), Strangeness(3.0)]
    calculator = CommitteeCalculator(files, device="cpu", uncertainties=fitted)
    path = calculator.save(tmp_path / "copper.committee")
    read = CommitteeCalculator.load(path, device="cpu").uncertainties
    assert [type(each) for each in read] == [FeatureDistance, Strangeness]
    assert read[1].usual == 3.0
    expected = fitted[0].measure(members, frames)
    for name, values in read[0].measure(members, frames).items():
        assert values == pytest.approx(expected[name], rel=1e-3)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["FeatureDistanze"], "use some of CommitteeSpread, FeatureDistance"),
        ("FeatureDistance", "give a list of names"),
    ],
)
def test_unknown_names_are_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        Criteria(uncertainties=chosen)


@pytest.mark.parametrize("kind", ["nowhere:Nothing", "json:JSONDecoder"])
def test_a_class_that_is_none_is_refused(kind):
    with pytest.raises(ValueError, match=kind.partition(":")[2]):
        restored(kind, b"")


@pytest.mark.usefixtures("installed")
def test_two_uncertainties_of_the_same_name_are_refused(committee, sets):
    twice = Criteria(
        TOLERANCE, pilot_labels=0, uncertainties=["Strangeness", Strangeness()]
    )
    with pytest.raises(ValueError, match="names of their own"):
        judge(committee, *sets, twice)
