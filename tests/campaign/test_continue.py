"""A campaign that has ended goes on, and repeats nothing that it has."""

from dataclasses import replace

import pytest
from jobflow import Flow, run_locally

import trivial_campaign
from flowpot import Campaign


def jobs_of_turn(jobstore, iteration, name=None):
    """Uuids of the jobs of one iteration."""
    criteria = {"metadata.iteration": iteration} | ({"name": name} if name else {})
    return {document["uuid"] for document in jobstore.query(criteria, ["uuid"])}


@pytest.mark.parametrize("handle", ["document", "campaign"])
def test_with_new_limits_and_tolerances(
    handle, copper, copper_frames, committee, run, jobstore
):
    first = copper(training=None, exploration=None)
    flow = first.make(
        dataset=copper_frames(12, labelled=True),
        committee=committee,
        explored=copper_frames(30, labelled=False, seed=100),
    )
    campaign = run(flow)
    assert campaign.doc.stop_kind == "max_iterations"
    done = jobs_of_turn(jobstore, 1)

    tolerance = {"energy": 0.5, "forces": 2.0}
    second = replace(first, max_iterations=2, tolerance=tolerance)
    given = campaign.doc if handle == "document" else campaign
    again = run(second.make(campaign=given))
    assert again.doc.uuid == campaign.doc.uuid
    assert [doc.iteration for doc in again.doc.iterations] == [1, 2]
    assert again.doc.iterations[0] == campaign.doc.iterations[0]
    assert jobs_of_turn(jobstore, 1) == done
    iteration = again.doc.iterations[1]
    assert iteration.n_sent == campaign.doc.iterations[0].n_chosen > 0
    assert set(iteration.calibration) == {"energy", "forces"}
    before = campaign.doc.iterations[0].n_dataset
    assert len(again.dataset()) == iteration.n_dataset == before + iteration.n_labelled
    assert again.doc.stop_kind == "max_iterations"
    assert "2 of 2 iterations done" in again.doc.stop_reason


def test_a_limit_that_is_still_reached_ends_it_at_once(
    copper, copper_frames, committee, run, jobstore
):
    maker = copper(labelling=None, training=None, exploration=None)
    frames = copper_frames(12, labelled=True)
    explored = copper_frames(4, labelled=False, seed=50)
    given = {"dataset": frames, "committee": committee, "explored": explored}
    campaign = run(maker.make(**given))
    again = run(maker.make(campaign=campaign))
    assert again.doc.stop_kind == "max_iterations"
    assert again.doc.iterations == campaign.doc.iterations
    assert not jobs_of_turn(jobstore, 2)


@pytest.mark.slow
def test_after_a_failure_with_what_was_amiss_corrected(
    copper, copper_frames, committee, run, jobstore
):
    """The labels of the failed iteration are kept, the committee is not retrained."""
    good = copper(evaluation=None)
    bad = replace(good, exploration=replace(good.exploration, config_types=["slab"]))
    flow = bad.make(dataset=copper_frames(6, labelled=False), committee=committee)
    campaign = run(flow)
    assert campaign.doc.stop_kind == "failed"
    labels = jobs_of_turn(jobstore, 1, "qe static")
    assert len(labels) == 7

    again = run(replace(good, max_iterations=2).make(campaign=campaign))
    assert again.doc.stop_kind == "completed"
    assert jobs_of_turn(jobstore, 1, "qe static") == labels
    assert not jobs_of_turn(jobstore, 2, "qe static")
    assert not jobs_of_turn(jobstore, 2, "mace train")
    assert jobs_of_turn(jobstore, 2, "collect frames")
    assert again.doc.iterations[1].n_dataset == 7


def test_after_failed_labels_they_are_tried_again(copper, copper_frames, run):
    fields = {"training": None, "exploration": None, "evaluation": None}
    good = copper(**fields, max_iterations=2)
    missing = {"@module": "ase.calculators.emt", "@callable": "NoSuchCalculator"}
    engine = replace(good.labelling.static_maker, force_field_name=missing)
    bad = replace(good, labelling=replace(good.labelling, static_maker=engine))
    campaign = run(bad.make(dataset=copper_frames(3, labelled=False)))
    assert campaign.doc.stop_kind == "failed"
    again = run(good.make(campaign=campaign))
    assert len(again.dataset()) == 4
    assert again.doc.iterations[-1].n_sent_total == 8  # each was sent twice


def test_as_a_later_step_of_the_same_flow(copper, copper_frames, jobstore, clean_dir):
    """By a reference, before there is anything to continue."""
    fields = {"training": None, "exploration": None, "evaluation": None}
    first = copper(**fields, max_labels=2, name="short")
    second = copper(**fields, max_labels=4, name="long")
    one = first.make(dataset=copper_frames(3, labelled=False))
    two = second.make(campaign=one.output)
    run_locally(Flow([one, two]), store=jobstore, create_folders=True, log=False)
    short, long = (
        Campaign.from_store(jobstore, name).doc for name in ("short", "long")
    )
    assert long.uuid == short.uuid
    assert long.stop_kind == "max_iterations"
    assert long.iterations == short.iterations


def test_what_is_no_campaign_is_refused(copper, copper_frames, committee):
    with pytest.raises(ValueError, match="something else to start from"):
        copper().make(dataset=copper_frames(2, labelled=True), campaign={"state": None})
    with pytest.raises(TypeError, match="give the CampaignDoc"):
        copper().make(campaign=committee)


def test_two_continuations_of_one_end_are_told_apart(jobstore):
    """Each is read without the other's frames, labels, jobs and seconds."""
    first = trivial_campaign.run_trivial_campaign(jobstore, 2)
    flows = [
        replace(trivial_campaign.trivial_campaign(n), name=name).make(
            campaign=first.doc
        )
        for n, name in ((3, "short"), (5, "long"))
    ]
    for flow in flows:
        run_locally(flow, store=jobstore, log=False)
    short, long = (Campaign.from_store(jobstore, flow.output.uuid) for flow in flows)
    assert short.uuid == long.uuid == first.uuid
    for campaign, name, n in ((short, "short", 3), (long, "long", 5)):
        assert campaign.name == name
        assert campaign.finished
        assert [doc.iteration for doc in campaign.iteration_docs] == list(
            range(1, n + 1)
        )
        assert len(campaign.dataset()) == n
        stages = campaign._documents.of_stage("labelling")
        assert len(stages) == n
        assert list(campaign.n_runs) == list(range(1, n + 1))
        assert len(campaign.others) == 1
    assert flows[1].output.uuid in short.others[0]
    latest = Campaign.from_store(jobstore, first.uuid)
    assert latest.name == "long"
    once_more = replace(trivial_campaign.trivial_campaign(6), name="long")
    flow = once_more.make(campaign=long)
    run_locally(flow, store=jobstore, log=False)
    assert len(Campaign.from_store(jobstore, "long").dataset()) == 6
    assert len(Campaign.from_store(jobstore, flows[0].output.uuid).dataset()) == 3


def test_campaigns_of_one_name_are_told_apart(jobstore):
    one = trivial_campaign.run_trivial_campaign(jobstore, 1)
    two = trivial_campaign.run_trivial_campaign(jobstore, 2)
    found = Campaign.from_store(jobstore, "trivial")
    assert found.uuid == two.uuid
    assert len(found.iteration_docs) == 2
    [note] = found.others
    assert f"another campaign is named 'trivial', too: {one.uuid}" in note
    assert len(Campaign.from_store(jobstore, one.uuid).iteration_docs) == 1
