"""The evaluation stage on a committee whose slope is known: 0.05 / 0.1 = 0.5."""

import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    CommitteeCalculator,
    Criteria,
    EvaluationMaker,
    SelectionRules,
    judge,
    load_committee,
)

TOLERANCE = {"forces": 0.02, "stress": 0.0005}


def criteria(**options):
    return Criteria(**{"tolerance": TOLERANCE, "pilot_labels": 0} | options)


@pytest.fixture
def augmented(copper):
    """Labelled frames of the first iteration, in the three sets."""
    parts = [
        copper(40, 100, split="train", config_type="distorted"),
        copper(35, 200, split="val", config_type="distorted"),
    ]
    return Dataset.concatenate(parts)


@pytest.fixture
def explored(copper):
    return copper(60, 300, config_type="md").without_labels()


def test_the_slope_is_found_and_frames_over_it_are_chosen(
    committee, augmented, explored
):
    found = judge(committee, augmented, explored, criteria())
    assert set(found.calibration) == set(TOLERANCE)
    for name, fit in found.calibration.items():
        assert fit.slope == pytest.approx(0.5, rel=1e-6)
        assert fit.threshold == pytest.approx(0.5 * TOLERANCE[name], rel=1e-6)
        assert fit.origin == "35 held-out augmented frames"
        assert fit.trusted
    assert found.n_explored == 60
    chosen = found.chosen
    assert len(chosen) == len(found.selection.selected) + len(found.selection.audit)
    over = chosen.info["selection"] == "selected"
    spread = np.asarray(chosen.info["disagreement_forces"], float)
    threshold = found.calibration["forces"].threshold
    stress = np.asarray(chosen.info["disagreement_stress"], float)
    assert (
        (spread > threshold) | (stress > found.calibration["stress"].threshold)
    ).tolist() == over.tolist()


def test_explored_frames_take_over_with_what_was_predicted_of_them(
    committee, augmented, explored, copper
):
    """Labelled and trained on since, they count as they were predicted before."""
    rules = SelectionRules(max_selected=40, audit_min=5)
    first = judge(committee, augmented, explored, criteria(rules=rules))
    truth = copper(60, 300, config_type="md")
    index = np.concatenate([first.selection.selected, first.selection.audit])
    labelled = Dataset.concatenate(
        [augmented, truth[index].with_info(split=np.full(len(index), "train", object))]
    )
    # The next committee has learned them by heart: it agrees and is right.
    perfect = load_committee([type(committee[0])(1.0), type(committee[0])(1.0)])
    second = judge(
        perfect,
        labelled,
        copper(20, 900, config_type="md").without_labels(),
        criteria(),
        predictions=[first.predictions],
    )
    fit = second.calibration["forces"]
    assert fit.origin.startswith(f"{len(index)} explored frames as they were")
    assert fit.slope == pytest.approx(0.5, rel=1e-6)
    assert second.audit.n == len(first.selection.audit)
    assert second.audit.n_bad == 0  # disagreement and error are proportional here
    assert len(second.selection.selected) == 0


def test_frames_that_are_labelled_already_are_not_chosen(
    committee, augmented, explored
):
    again = Dataset.concatenate([explored, augmented.without_labels()])
    found = judge(committee, augmented, again, criteria())
    assert found.n_known == len(augmented)
    assert not set(found.chosen.fingerprints) & set(augmented.fingerprints)


def test_the_budget_counts_labelled_frames(committee, augmented, explored):
    found = judge(committee, augmented, explored, criteria(), max_labels=78)
    assert len(found.chosen) == 3


def test_atoms_too_close_are_insane(committee, augmented, explored):
    positions = explored.positions.copy()
    positions[1] = positions[0] + 0.1
    close = Dataset(**explored.fields | {"positions": positions})
    found = judge(committee, augmented, close, criteria())
    assert found.n_insane == 1


def test_what_cannot_be_judged_is_refused(committee, augmented, explored):
    with pytest.raises(ValueError, match="no explored frame"):
        judge(committee, augmented, explored[:0], criteria())
    with pytest.raises(ValueError, match="raise the split's fractions"):
        judge(committee, augmented[:40], explored, criteria())
    with pytest.raises(ValueError, match="committee has no member"):
        judge([], augmented, explored, criteria())


def test_same_seed_same_choice(committee, augmented, explored):
    rules = SelectionRules(max_selected=5)
    chosen = [
        judge(
            committee, augmented, explored, criteria(rules=rules), seed=seed
        ).chosen.fingerprints.tolist()
        for seed in (1, 1, 2)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_the_calculator_gives_the_mean_and_its_calibrated_error(
    committee, augmented, explored
):
    fits = judge(committee, augmented, explored, criteria()).calibration
    atoms = explored[30]
    atoms.calc = CommitteeCalculator(committee, fits)
    forces = atoms.get_forces()
    # The mean is 1.1 times the truth: its error, component RMS, is known per atom.
    true_error = np.sqrt(((forces - forces / 1.1) ** 2).mean(axis=1))
    assert atoms.calc.results["forces_error"] == pytest.approx(true_error, rel=1e-6)
    true_stress = atoms.get_stress(voigt=False) / 1.1
    assert atoms.calc.results["stress_error"] == pytest.approx(
        0.1 * np.sqrt((true_stress**2).mean()), rel=1e-6
    )


def test_bad_tolerance_is_refused_when_the_maker_is_made():
    with pytest.raises(ValueError, match="did you mean 'energy'"):
        EvaluationMaker(tolerance={"energies": 1e-3})
