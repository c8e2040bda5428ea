"""Each way a campaign ends, and that finding nothing is none of them."""

from dataclasses import replace

import numpy as np
import pytest

from flowpot.campaign import IterationDoc, Limits, decide
from flowpot.campaign.stages import CampaignStages
from flowpot.evaluation import Audit, EvaluationMaker, audit

LIMITS = Limits(
    max_iterations=5, max_labels=100, max_bad_share=0.1, max_over_share=0.05
)


def iteration(**fields):
    usual = {
        "iteration": 2,
        "n_sent_total": 50,
        "n_explored": 200,
        "n_over": 40,
        "n_selected": 20,
        "n_audit": 5,
        "audit": Audit(),
    }
    return IterationDoc(**usual | fields)


def audited(n, n_bad=0, n_closing=None):
    error = np.zeros(n)
    error[:n_bad] = 1
    found = audit({"forces": error, "energy": error}, {"forces": 0.1})
    closing = n if n_closing is None else n_closing
    return found.model_copy(update={"n_closing": closing})


def test_it_goes_on_while_there_is_something_to_learn():
    assert decide(iteration(), LIMITS) is None


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"audit": audited(30), "n_over": 5}, "converged", "of 30 audited frames"),
        ({"n_sent_total": 100}, "max_labels", "100 frames were sent"),
        ({"iteration": 5}, "max_iterations", "40 of 200 explored frames"),
        ({"n_selected": 0, "n_audit": 0}, "nothing_left", "explore more widely"),
    ],
)
def test_each_reason(fields, kind, words):
    stop = decide(iteration(**fields), LIMITS)
    assert stop.kind == kind
    assert stop.reason.startswith(f"{kind}: ")
    assert words in stop.reason
    assert len(stop.reason.split(". ")[0]) <= 80


def test_frames_that_are_not_worth_a_label_are_counted():
    last = iteration(n_selected=0, n_audit=0, n_wrecked=12, n_insane=3)
    said = decide(last, LIMITS).reason
    assert "of 200 there are 12 of runs that broke (upper_factor) and 3 with" in said


def test_what_could_not_be_audited_is_told():
    last = iteration(audit=audited(30), n_over=5, n_insane=3, n_copies=150)
    said = decide(last, LIMITS).reason
    assert said.startswith("converged: ")
    assert "not audited: 3 with atoms too close" in said
    assert "and 150 copies of another one" in said
    nothing_left = iteration(n_selected=0, n_audit=0, n_copies=150)
    said = decide(nothing_left, LIMITS).reason
    assert "of 200 there are 150 copies of another one; explore more widely" in said


def test_a_pilot_ends_nothing_as_converged():
    """Its frames are those that the flags were fitted to."""
    last = iteration(audit=audited(40, n_closing=0), n_over=5)
    assert decide(last, LIMITS) is None
    asked = replace(LIMITS, needs_closing=False)
    said = decide(last, asked).reason
    assert "By the pilot: of 40 audited frames" in said
    assert "no closing audit was asked for" in said


def test_audits_of_older_documents_still_count():
    """They do not tell which of their frames were of a closing audit."""
    old = audited(30).model_dump(exclude={"n_closing"})
    assert "n_closing" not in old
    stop = decide(iteration(audit=old, n_over=5), LIMITS)
    assert stop.kind == "converged"


@pytest.mark.parametrize(
    ("stages", "needs"),
    [
        ({}, True),
        ({"evaluation": EvaluationMaker(closing_audit=0)}, False),
        ({"labelling": None}, False),
        ({"evaluation": None}, False),
    ],
)
def test_a_campaign_needs_the_closing_audit_that_it_asks_for(stages, needs):
    assert CampaignStages(**stages).limits.needs_closing == needs


def test_the_papers_criterion_is_an_option():
    last = iteration(n_over=0, n_selected=0, n_audit=50)
    stop = decide(last, replace(LIMITS, stop_at_none_over=True))
    assert stop.kind == "none_over"
    assert "none of 200 explored frames" in stop.reason


def test_what_the_budget_cut_is_told():
    stop = decide(iteration(n_sent_total=100, n_postponed=7), LIMITS)
    assert "7 frames were not labelled" in stop.reason


def test_finding_nothing_is_not_converging():
    """A committee blind to its errors flags no frame either: that asks for an audit."""
    assert decide(iteration(n_over=0, n_selected=0, n_audit=50), LIMITS) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"audit": audited(30, 3), "n_over": 0},  # what it accepts is bad
        {"audit": audited(5), "n_over": 0},  # too few audited to know
        {"audit": audited(30), "n_over": 100},  # half of it is not accepted
    ],
)
def test_what_is_not_convergence(fields):
    assert decide(iteration(**fields), LIMITS) is None
