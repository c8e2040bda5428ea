"""A campaign is entered at any stage, and any stage is left out."""

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, job, run_locally

from flowpot import (
    ActiveLearningMaker,
    Campaign,
    CommitteeTrainingMaker,
    Dataset,
    MACETrainingMaker,
)
from flowpot.campaign.inputs import committee_of


def ran(jobstore):
    """Names of the jobs that ran."""
    return {document["name"] for document in jobstore.query(properties=["name"])}


LABEL_ONLY = {"training": None, "exploration": None, "evaluation": None}


def test_structures(copper, run, jobstore):
    """Augmented, then labelled: every frame of the augmentation has its label."""
    campaign = run(copper(**LABEL_ONLY).make([bulk("Cu", cubic=True)]))
    assert campaign.doc.stop_kind == "completed"
    frames = campaign.dataset()
    assert {"augment", "qe static", "collect labels"} <= ran(jobstore)
    assert len(frames) == campaign.doc.iterations[0].n_labelled == 9
    assert {"input", "isolated_atom"} < set(frames.info["config_type"])


def test_structures_without_augmentation(copper, run, jobstore):
    flow = copper(augmentation=None, **LABEL_ONLY).make(
        [bulk("Cu", a=a, cubic=True) for a in (3.5, 3.6)]
    )
    campaign = run(flow)
    assert "augment" not in ran(jobstore)
    volumes = [atoms.cell.volume for atoms in campaign.dataset()]
    np.testing.assert_allclose(volumes, [3.5**3, 3.6**3])


def test_unlabelled_frames(copper, copper_frames, run, jobstore):
    given = copper_frames(4, labelled=False)
    campaign = run(copper(**LABEL_ONLY).make(dataset=given))
    found = campaign.dataset()
    assert set(found.fingerprints) == set(given.fingerprints)
    truth = copper_frames(4, labelled=True)
    np.testing.assert_allclose(found.energy, truth.energy, atol=1e-9)
    assert "augment" not in ran(jobstore)


def test_structures_join_a_dataset(copper, copper_frames, run):
    campaign = run(
        copper(augmentation=None, **LABEL_ONLY).make(
            [bulk("Cu", a=3.7)], dataset=copper_frames(3, labelled=True)
        )
    )
    iteration = campaign.doc.iterations[0]
    assert (iteration.n_labelled, iteration.n_sent) == (5, 1)


@pytest.mark.slow
@pytest.mark.parametrize("labelling", [True, False])
def test_a_labelled_dataset_is_trained_on_at_once(
    labelling, copper, copper_frames, run, jobstore
):
    """No label is computed, with a labelling stage or without."""
    fields = {} if labelling else {"labelling": None}
    maker = copper(max_iterations=2, max_labels=3, **fields)
    campaign = run(maker.make(dataset=copper_frames(12, labelled=True)))
    doc = campaign.doc
    assert doc.iterations[0].metrics["test"]["forces"] > 0
    assert doc.iterations[0].n_explored > 0
    if labelling:
        assert doc.iterations[0].n_sent == 0
        assert doc.iterations[-1].n_sent_total == 3
        assert doc.stop_kind == "max_labels"
    else:
        assert "qe static" not in ran(jobstore)
        assert doc.stop_kind == "completed"
        assert "no stage to label them" in doc.stop_reason
        assert len(Dataset.load(doc.unlabelled)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("form", ["document", "files"])
def test_a_trained_committee_explores_first(
    form, copper, copper_frames, committee, run, jobstore, tmp_path
):
    given = committee
    if form == "files":
        given = [each.model.to_file(tmp_path) for each in committee.members]
    campaign = run(
        copper().make(dataset=copper_frames(12, labelled=True), committee=given)
    )
    assert not ran(jobstore) & {"mace train", "collect committee", "qe static"}
    iteration = campaign.doc.iterations[0]
    assert iteration.n_explored > 0
    assert iteration.metrics is None
    assert campaign.doc.stop_kind == "max_iterations"
    assert [m.model for m in campaign.committee().members] == [
        m.model for m in committee.members
    ]


def test_explored_frames_are_evaluated_only(
    copper, copper_frames, committee, run, jobstore
):
    """With labelling left out as well, the outcome is which of them to label."""
    explored = copper_frames(20, labelled=False, seed=100)[:20]
    maker = copper(labelling=None, training=None, exploration=None)
    campaign = run(
        maker.make(
            dataset=copper_frames(12, labelled=True),
            committee=committee,
            explored=explored,
        )
    )
    assert ran(jobstore) == {
        "campaign inputs",
        "evaluate committee",
        "record iteration",
        "active learning",
    }
    iteration = campaign.doc.iterations[0]
    assert iteration.n_explored == 20
    assert iteration.calibration["forces"].n > 0
    chosen = Dataset.load(campaign.doc.unlabelled)
    assert len(chosen) == iteration.n_chosen > 0
    assert set(chosen.fingerprints) <= set(explored.fingerprints)
    assert campaign.doc.stop_kind == "completed"


@pytest.mark.slow
def test_exploration_alone(copper, copper_frames, committee, run, jobstore):
    """From unlabelled frames, with a committee: what MD finds is in the store."""
    maker = copper(labelling=None, training=None, evaluation=None)
    frames = copper_frames(3, labelled=False)[:3]
    campaign = run(maker.make(dataset=frames, committee=committee))
    assert campaign.doc.stop_kind == "completed"
    found = jobstore.query_one({"name": "collect frames"}, load=False)["output"]
    assert found["n_runs"] == 2
    assert found["n_frames"] > 0


def test_what_a_campaign_is_given_may_come_from_other_jobs(
    copper, copper_frames, committee, run, jobstore
):
    """References: to a labelling's document, and to a committee elsewhere."""
    labels = copper().labelling.make(copper_frames(12, labelled=False))
    made = copper(exploration=None, evaluation=None).make(
        dataset=copper_frames(2, labelled=True), committee=committee
    )
    maker = copper(labelling=None, training=None, exploration=None)
    flow = maker.make(
        dataset=labels.output,
        committee=made.output.committee,
        explored=copper_frames(5, labelled=False, seed=50),
    )
    # The flow says what comes first, not the order of the list.
    run_locally(
        Flow([flow, made, labels]), store=jobstore, create_folders=True, log=False
    )
    campaign = Campaign.from_store(jobstore, flow.output.uuid)
    assert campaign.doc.iterations[0].n_explored == 6
    assert set(campaign.dataset().info["split"]) == {"train", "val", "test"}


def test_frames_that_are_left_out_are_counted(
    copper, copper_frames, committee, run, jobstore
):
    """Those of another job, too, which nobody has seen when the flow is made."""
    other = copper_frames(4, labelled=False, seed=70)[:4]
    energies = other.with_labels(energy=np.array([-1.0, -1.0, -1.0, np.nan]))
    given = Dataset.concatenate([copper_frames(12, labelled=True), energies])
    before = handed_on(given.to_artifact("given.h5"))
    flow = copper(labelling=None, training=None, exploration=None).make(
        dataset=before.output,
        committee=committee,
        explored=copper_frames(5, labelled=False, seed=50),
    )
    campaign = run(Flow([before, flow], output=flow.output))
    assert len(campaign.dataset()) == 13
    rows = campaign.remarks.itertuples()
    said = {row.text.split(", ")[0]: row.n_frames for row in rows}
    given = "frame(s) that the campaign starts from have"
    assert said == {f"{given} an energy and no forces": 3, f"{given} no label": 1}


@job(data="dataset")
def handed_on(dataset):
    return {"dataset": dataset}


def test_models_of_any_form_make_a_committee(committee, tmp_path):
    first, second = committee.members
    path = first.model.to_file(tmp_path)
    found = committee_of([path, second.model, second.model_dump()])
    assert [each.backend for each in found.members] == ["mace"] * 3
    assert found.members[0].species == ["Cu"]
    assert found.members[0].cutoff == pytest.approx(4.2)
    assert len(found.member_metrics) == 3


def test_nothing_to_start_from_is_refused(committee):
    with pytest.raises(ValueError, match="structures, dataset missing"):
        ActiveLearningMaker().make()
    with pytest.raises(ValueError, match="nothing to explore from"):
        ActiveLearningMaker().make(committee=committee)


def test_a_committee_of_one(copper, copper_frames, run):
    """Trained, explored with and judged by its features."""
    one = CommitteeTrainingMaker(
        trainer=MACETrainingMaker.small(max_num_epochs=4), size=1
    )
    maker = copper(training=one)
    campaign = run(maker.make(dataset=copper_frames(24, labelled=True)))
    (iteration,) = campaign.doc.iterations
    assert campaign.doc.stop_kind != "failed", campaign.doc.stop_reason
    fit = iteration.calibration["forces"]
    assert fit.covariate == "feature_distance"
    assert iteration.n_explored > 0
    assert iteration.n_over is not None
    assert len(campaign.committee().members) == 1
    assert campaign.committee().members[0].features is not None
