"""The budget of labels, and how the failure of a stage ends a campaign."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, job, run_locally
from pymatgen.core import Structure

from flowpot import (
    Campaign,
    CommitteeTrainingMaker,
    Dataset,
    EspressoStaticMaker,
    LabellingMaker,
    MACETrainingMaker,
)

LABEL_ONLY = {"training": None, "exploration": None, "evaluation": None}


def n_static(jobstore):
    """Number of jobs that the labelling engine ran."""
    return len(list(jobstore.query({"name": "qe static"}, properties=["uuid"])))


def test_the_budget_holds_for_the_first_labels(copper, run, jobstore):
    """Isolated atoms count, and go first; what is cut is counted."""
    maker = copper(max_labels=4, **LABEL_ONLY)
    campaign = run(maker.make([bulk("Cu", cubic=True)]))
    iteration = campaign.doc.iterations[0]
    assert (iteration.n_sent, iteration.n_labelled, iteration.n_postponed) == (4, 4, 5)
    assert n_static(jobstore) == 4
    assert {"isolated_atom", "input"} <= set(campaign.dataset().info["config_type"])


def test_the_stages_own_limit_holds_too(copper, run, jobstore):
    maker = copper(max_labels=6, **LABEL_ONLY)
    maker = replace(maker, labelling=replace(maker.labelling, max_labels=3))
    run(maker.make([bulk("Cu", cubic=True)]))
    assert n_static(jobstore) == 3


def test_the_budget_is_used_up_and_never_exceeded(
    copper, copper_frames, committee, run, jobstore
):
    """Selected, audited and pilot frames count; labels that were given do not."""
    maker = copper(training=None, exploration=None, max_iterations=9, max_labels=7)
    flow = maker.make(
        dataset=copper_frames(12, labelled=True),
        committee=committee,
        explored=copper_frames(30, labelled=False, seed=100),
    )
    campaign = run(flow)
    doc = campaign.doc
    assert doc.stop_kind == "max_labels"
    assert n_static(jobstore) == doc.iterations[-1].n_sent_total == 7
    assert len(campaign.dataset()) == 13 + 7
    assert doc.iterations[-1].n_dataset == 20


@job
def coincident():
    """Return a structure that no augmentation starts from."""
    return Structure(np.eye(3) * 3.6, ["Cu", "Cu"], [[0, 0, 0], [0, 0, 1e-3]])


def test_the_augmentation_fails(copper, jobstore, clean_dir):
    structure = coincident()
    flow = copper(name="failed").make(structure.output)
    run_locally(Flow([structure, flow]), store=jobstore, log=False)
    doc = Campaign.from_store(jobstore, "failed").doc
    assert doc.stop_kind == "failed"
    assert "augmentation stage ended without a result. ValueError: " in doc.stop_reason
    assert doc.iterations == []


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_labelling_fails(copper, run, monkeypatch, batch_size):
    """Every label, for the same reason: that is the campaign's."""
    monkeypatch.setenv("FLOWPOT_PW_CMD", "pw.x-of-nobody")
    labelling = LabellingMaker(
        static_maker=EspressoStaticMaker(pseudo_family="debian-pbe"),
        batch_size=batch_size,
    )
    doc = run(
        copper(labelling=labelling, **LABEL_ONLY).make([bulk("Cu", cubic=True)])
    ).doc
    assert doc.stop_kind == "failed"
    assert "only 0 of 9 frames were labelled" in doc.stop_reason
    assert "(9 x): PreflightError: 'pw.x-of-nobody' of" in doc.stop_reason
    (iteration,) = doc.iterations
    assert (iteration.n_sent_total, iteration.n_failed) == (9, 9)  # the budget is spent


def test_the_exploration_fails(copper, copper_frames, committee, run):
    maker = copper()
    exploration = replace(maker.exploration, config_types=["slab"])
    flow = replace(maker, exploration=exploration).make(
        dataset=copper_frames(6, labelled=True), committee=committee
    )
    doc = run(flow).doc
    assert doc.stop_kind == "failed"
    assert "exploration stage ended without a result. ValueError: " in doc.stop_reason
    assert "slab" in doc.stop_reason
    assert doc.iterations[0].failed_stage == "exploration"
    assert doc.iterations[0].n_labelled == 7


def test_the_evaluation_fails(copper, copper_frames, committee, run):
    """Nothing was held out to calibrate on."""
    frames = copper_frames(6, labelled=True)
    frames = frames.with_info(split=np.full(len(frames), "train", dtype=object))
    doc = run(
        copper(exploration=None).make(
            dataset=frames,
            committee=committee,
            explored=copper_frames(3, labelled=False),
        )
    ).doc
    assert doc.stop_kind == "failed"
    assert "evaluation stage ended without a result. ValueError: no " in doc.stop_reason
    assert len(Dataset.load(doc.dataset)) == 7


@pytest.mark.slow
def test_the_training_fails(copper, copper_frames, run):
    """Every member: the program's own words are in the reason."""
    trainer = MACETrainingMaker.small(scheduler="no scheduler")
    training = CommitteeTrainingMaker(trainer=trainer, size=2)
    doc = run(
        copper(training=training).make(dataset=copper_frames(12, labelled=True))
    ).doc
    assert doc.stop_kind == "failed"
    assert "training stage ended without a result. TrainingError: " in doc.stop_reason
    assert "member 0" in doc.stop_reason
    assert doc.iterations[0].failed_stage == "training"
