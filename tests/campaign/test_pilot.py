"""An iteration whose evaluation asks for a pilot: labelled, and evaluated again."""

from dataclasses import replace

import numpy as np
import pytest

from flowpot import EvaluationMaker
from flowpot.evaluation import SelectionRules
from flowpot.report import plot_growth
from flowpot.report.frame_sections import growth

# The committee has random weights: all its frames would count as wrecks.
RULES = SelectionRules(max_selected=2, audit_min=1, audit_max=1, upper_factor=1e9)


@pytest.fixture
def explored(copper_frames):
    """Thirty frames as of molecular dynamics."""
    frames = copper_frames(30, labelled=False, seed=70)[:30]
    return frames.with_info(config_type=np.full(30, "md", dtype=object))


def evaluation(**fields):
    return EvaluationMaker(
        **{"pilot_labels": 8, "min_frames": 6, "rules": RULES} | fields
    )


def test_the_pilot_is_labelled_before_anything_is_selected(
    copper, copper_frames, committee, explored, run
):
    maker = copper(exploration=None, training=None, evaluation=evaluation())
    dataset = copper_frames(20, labelled=True)
    campaign = run(maker.make(dataset=dataset, committee=committee, explored=explored))
    (iteration,) = campaign.doc.iterations
    assert (iteration.n_pilot, iteration.n_pilot_labelled, iteration.n_sent) == (
        0,
        8,
        8,
    )
    assert iteration.n_dataset == 21 + 8
    fit = iteration.calibration["forces"]
    assert fit.origin == "8 explored frames not learned"
    assert iteration.n_selected == 2
    assert iteration.audit.n + iteration.audit.n_flagged == 8
    labels = campaign.dataset()
    pilot = labels[np.asarray(labels.info["selection"]) == "pilot"]
    assert len(pilot) == 8
    assert set(pilot.info["split"]) == {"audit"}
    fresh = iteration.fresh_error["forces"]
    assert (fresh.n, fresh.n_failed) == (8, 0)
    assert "median error on fresh frames: " in campaign.stop_reason
    assert len(campaign.doc.evidence) == 1  # of the second evaluation only


def test_the_growth_figure_counts_what_the_iterations_count(
    copper, copper_frames, committee, explored, run
):
    """The pilot's frames in the iteration that explored them."""
    explored = explored.with_info(iteration=1)
    maker = copper(
        exploration=None, training=None, evaluation=evaluation(), max_iterations=2
    )
    dataset = copper_frames(20, labelled=True)
    campaign = run(maker.make(dataset=dataset, committee=committee, explored=explored))
    first, second = (doc.n_dataset for doc in campaign.iteration_docs)
    assert first == 21 + 8 < second
    frames = campaign.dataset()
    for figure in (
        growth(campaign, frames).figure,
        plot_growth(frames, campaign.iteration_docs),
        plot_growth(frames),
    ):
        shown = [text.get_text() for text in figure.axes[0].texts]
        assert shown == [str(first), str(second)]


def test_its_labels_count_against_the_budget(
    copper, copper_frames, committee, explored, run
):
    stages = {"exploration": None, "training": None, "evaluation": evaluation()}
    maker = copper(**stages, max_labels=16, max_iterations=3)
    dataset = copper_frames(20, labelled=True)
    campaign = run(maker.make(dataset=dataset, committee=committee, explored=explored))
    iterations = campaign.doc.iterations
    assert iterations[0].n_pilot_labelled == 8
    assert [doc.n_sent_total for doc in iterations] == [8, 10, 12]
    # The first pilot still bears witness: none is drawn again.
    assert [doc.n_pilot_labelled for doc in iterations] == [8, None, None]


def test_a_campaign_that_cannot_label_has_none(
    copper, copper_frames, committee, explored, run
):
    maker = copper(
        exploration=None, training=None, labelling=None, evaluation=evaluation()
    )
    dataset = copper_frames(20, labelled=True)
    campaign = run(maker.make(dataset=dataset, committee=committee, explored=explored))
    (iteration,) = campaign.doc.iterations
    assert iteration.n_pilot == 0
    assert not iteration.calibration["forces"].origin.startswith("8 explored")


def test_no_more_is_chosen_than_is_labelled_at_once(
    copper, copper_frames, committee, explored, run
):
    """What is left out would count as frames whose labels had failed."""
    rules = SelectionRules(max_selected=20, audit_min=1, upper_factor=1e9)
    maker = copper(
        exploration=None,
        training=None,
        evaluation=evaluation(rules=rules, pilot_labels=0, closing_audit=0),
    )
    start = {
        "dataset": copper_frames(20, labelled=True),
        "committee": committee,
        "explored": explored,
    }
    many = run(maker.make(**start)).doc.iterations[-1]
    few = replace(maker, labelling=replace(maker.labelling, max_labels=3))
    limited = run(few.make(**start)).doc.iterations[-1]
    assert many.n_chosen > 3
    assert limited.n_chosen == 3
