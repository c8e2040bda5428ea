"""The closing audit: where it is due and cannot be drawn, that is said."""

import numpy as np
import pytest

from committee_simulation import World, campaign, label
from error_laws import LAWS
from flowpot.dataset import Dataset
from flowpot.evaluation import Criteria, judge


@pytest.fixture
def start():
    """Return a world of good frames, its tolerance and some labelled frames."""
    world = World(LAWS["narrow"])
    split = np.array(["train", "val"] * 20, dtype=object)
    labelled = label(world.explore(40).with_info(split=split))
    return world, float(np.quantile(world.table(0)[1], 0.995)), labelled


def test_too_few_frames_for_a_closing_audit_are_told(start):
    world, tolerance, labelled = start
    found = judge(
        world.committee(0), labelled, world.explore(20), Criteria({"forces": tolerance})
    )
    assert found.n_closing == 0
    (warning,) = (each for each in found.warnings if "closing" in each)
    assert warning.startswith(
        "the closing audit needs 30 accepted frames and 20 can be drawn"
    )
    assert "explore more frames" in warning


def test_a_budget_that_is_too_small_for_a_closing_audit_is_told(start):
    world, tolerance, labelled = start
    found = judge(
        world.committee(0),
        labelled,
        world.explore(300),
        Criteria({"forces": tolerance}),
        max_labels=len(labelled) + 12,
    )
    assert found.n_closing == 0
    (warning,) = (each for each in found.warnings if "closing" in each)
    assert "needs 30 labels and the budget leaves 12" in warning
    assert "raise max_labels" in warning


def test_a_second_look_that_cannot_be_drawn_is_told(start):
    world, tolerance, labelled = start
    explored, criteria = world.explore(40), Criteria({"forces": tolerance})
    members = world.committee(0)
    first = judge(members, labelled, explored, criteria)
    assert (first.n_closing, first.warnings) == (30, [])
    arrived = label(first.chosen[1:])  # a lost label counts as bad
    second = judge(
        members,
        Dataset.concatenate([labelled, arrived]),
        explored,
        criteria,
        predictions=[first.predictions],
    )
    assert (second.audit.n, second.audit.n_bad, second.audit.n_closing) == (30, 1, 30)
    assert (
        "second look of the closing audit needs 28 accepted frames and 10"
        in (second.warnings[0])
    )


def test_no_closing_audit_is_missed_where_none_was_asked_for(start):
    world, tolerance, labelled = start
    criteria = Criteria({"forces": tolerance}, closing_audit=0)
    found = judge(world.committee(0), labelled, world.explore(20), criteria)
    assert not found.warnings


@pytest.mark.parametrize(
    ("law", "good", "seed"), [("uncorrelated", 0.9, 23), ("wide", 0.92, 3)]
)
def test_a_pilot_alone_converges_nothing(law, good, seed):
    """The flags were fitted to its frames, all of which are good in these campaigns."""
    tolerance = float(np.quantile(World(LAWS[law], seed=seed).table(0)[1], good))

    def only(**options):
        world = World(LAWS[law], seed=seed)
        few = {"n_explored": 58, "max_iterations": 1}
        (iteration,) = campaign(world, tolerance, **few, **options)
        return iteration

    found = only()
    audit = found.judgement.audit
    assert (audit.n_closing, audit.upper_limit <= 0.1) == (0, True)
    assert not found.converged
    assert "29 can be drawn" in found.judgement.warnings[-1]
    assert only(closing_audit=0).converged
