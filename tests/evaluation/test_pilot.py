"""A uniform draw before anything is selected, and what becomes of it."""

import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.dataset.sets import sets_of
from flowpot.evaluation import (
    Criteria,
    SelectionRules,
    error,
    evaluate_committee,
    judge,
)

TOLERANCE = {"forces": 0.02}


@pytest.fixture
def augmented(copper):
    parts = [copper(20, 100, split="train"), copper(35, 200, split="val")]
    return Dataset.concatenate(parts).with_info(
        config_type=np.full(55, "distorted", object)
    )


@pytest.fixture
def truth(copper):
    return copper(80, 300, config_type="md")


def criteria(**options):
    usual = {"pilot_labels": 32, "rules": SelectionRules(max_selected=4, audit_min=3)}
    return Criteria(TOLERANCE, **usual | options)


def labelled_as(chosen, truth):
    """Label the chosen frames, as a campaign does."""
    position = {name: i for i, name in enumerate(truth.fingerprints)}
    rows = truth[np.array([position[name] for name in chosen.fingerprints])]
    split = [each or "train" for each in chosen.info["split"]]
    return rows.with_info(**{**chosen.info, "split": split})


def test_the_first_evaluation_hands_out_a_uniform_draw(committee, augmented, truth):
    found = judge(committee, augmented, truth.without_labels(), criteria())
    assert (found.n_pilot, len(found.chosen)) == (32, 32)
    assert len(found.selection.selected) == len(found.selection.audit) == 0
    assert set(found.chosen.info["selection"]) == {"pilot"}
    assert set(found.chosen.info["split"]) == {"audit"}
    assert found.chosen.info["selection_probability"] == pytest.approx(32 / 80)
    assert found.selection.n_over > 0  # counted, by what calibration there is


def test_the_second_calibrates_on_it_and_selects(committee, augmented, truth):
    explored = truth.without_labels()
    first = judge(committee, augmented, explored, criteria())
    pilot = labelled_as(first.chosen, truth)
    dataset = Dataset.concatenate([augmented, pilot])
    second = judge(committee, dataset, explored, criteria())
    assert second.n_pilot == 0
    fit = second.calibration["forces"]
    assert fit.origin == "32 explored frames not learned"
    assert fit.trusted
    assert (fit.n, fit.effective_n) == (32, pytest.approx(32))
    assert len(second.selection.selected) == 4
    assert not set(second.chosen.fingerprints) & set(pilot.fingerprints)
    # The pilot is an audit too, of the thresholds that it made.
    assert second.audit.n + second.audit.n_flagged == 32
    assert second.audit.n_bad == 0  # disagreement and error are proportional here


def test_a_pilot_is_the_honest_error_of_the_iteration(committee, augmented, truth):
    explored = truth.without_labels()
    first = judge(committee, augmented, explored, criteria())
    dataset = Dataset.concatenate([augmented, labelled_as(first.chosen, truth)])
    fresh = judge(committee, dataset, explored, criteria()).fresh_error["forces"]
    true = error(evaluate_committee(committee, truth), truth)["forces"]
    assert (fresh.n, fresh.n_failed) == (32, 0)
    assert fresh.interval[0] <= np.median(true) <= fresh.interval[1]
    assert fresh.over_interval[0] <= np.mean(true > 0.02) <= fresh.over_interval[1]


def test_labels_that_fail_are_bad(committee, augmented, truth):
    """They are the worst frames; nothing else is known of them."""
    explored = truth.without_labels()
    first = judge(committee, augmented, explored, criteria())
    labels = labelled_as(first.chosen, truth)[4:]
    dataset = Dataset.concatenate([augmented, labels])
    found = judge(
        committee, dataset, explored, criteria(), predictions=[first.predictions]
    )
    assert (found.audit.n_failed, found.n_pilot) == (4, 0)
    assert found.audit.n + found.audit.n_flagged == 32
    assert found.audit.n_bad <= 4
    assert found.fresh_error["forces"].n_failed == 4
    failed = first.chosen.fingerprints[:4]
    assert not np.isin(failed, found.chosen.fingerprints).any()  # not sent again


def test_later_committees_are_calibrated_on_the_same_pilot(
    committee, augmented, truth, copper
):
    first = judge(committee, augmented, truth.without_labels(), criteria())
    dataset = Dataset.concatenate([augmented, labelled_as(first.chosen, truth)])
    better = [type(committee[0])(1 + d) for d in (0.01, 0.05)]  # slope 0.02 / 0.03
    fresh = copper(80, 500, config_type="md").without_labels()
    found = judge(better, dataset, fresh, criteria())
    assert found.n_pilot == 0
    assert found.calibration["forces"].slope == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("options", "budget", "n"),
    [
        ({"pilot_labels": 0}, None, 0),
        ({"pilot_labels": 41}, None, 40),
        ({}, 55 + 21, 10),
        ({}, 55, 0),
    ],
)
def test_a_pilot_takes_half_at_most(committee, augmented, truth, options, budget, n):
    explored = truth.without_labels()
    found = judge(
        committee, augmented, explored, criteria(**options), max_labels=budget
    )
    assert found.n_pilot == n
    assert found.calibration["forces"].origin == "35 held-out augmented frames"


def test_old_audits_are_learned_when_newer_ones_exist(
    committee, augmented, truth, copper
):
    first = judge(committee, augmented, truth.without_labels(), criteria())
    dataset = Dataset.concatenate([augmented, labelled_as(first.chosen, truth)])
    assert (sets_of(dataset) == "audit").sum() == 32
    other = copper(80, 500, config_type="md")
    worse = [type(committee[0])(1 + d) for d in (0.1, 0.3)]
    rules = SelectionRules(max_selected=4, audit_min=3, audit_fraction=0.1)
    second = judge(
        worse,
        dataset,
        other.without_labels(),
        criteria(rules=rules),
        predictions=[first.predictions],
    )
    assert second.n_pilot == 0
    chosen = labelled_as(second.chosen, other)
    everything = Dataset.concatenate([dataset, chosen])
    sets = sets_of(Dataset.from_bytes(everything.to_bytes()))
    n_new = len(second.selection.audit)
    assert n_new > 0
    assert (sets == "audit").sum() == n_new
    assert (sets == "train").sum() == 20 + 32 + len(second.selection.selected)


def test_all_labelled_frames_as_evidence_need_no_pilot(committee, augmented, truth):
    """The AiiDA-TrainsPot way, for comparison."""
    found = judge(
        committee, augmented, truth.without_labels(), criteria(evidence="all labelled")
    )
    assert found.n_pilot == 0
    assert found.calibration["forces"].n == len(augmented)
    assert found.calibration["forces"].origin.endswith("training included")
