"""The loop without engines: how it starts, hands on, fails and is configured."""

import pytest
from jobflow import run_locally
from jobflow_remote import set_run_config

from flowpot import (
    ActiveLearningMaker,
    Campaign,
    CommitteeTrainingMaker,
    Dataset,
    MACETrainingMaker,
)
from trivial_campaign import trivial_campaign

AVERAGE = CommitteeTrainingMaker(
    trainer=MACETrainingMaker(hyperparameters={"E0s": "average"})
)
"""It needs no isolated atoms, which no augmentation makes here."""


def test_the_flow_begins_with_augmentation_then_the_loop(silicon):
    flow = ActiveLearningMaker(name="silicon").make([silicon])
    assert [each.name for each in flow.jobs] == ["augment", "active learning"]
    augment, loop = flow.jobs
    assert augment.metadata["campaign"] == "silicon"
    assert augment.metadata["stage"] == "augmentation"
    assert set(loop.input_uuids) == {augment.uuid}


def test_the_loop_job_keeps_its_name_whatever_the_campaign_is_called(silicon):
    """Workers are chosen by job names."""
    maker = ActiveLearningMaker(name="my campaign")
    flow = maker.make([silicon])
    assert flow.name == maker.name == "my campaign"
    assert flow.jobs[-1].name == "active learning"


def test_without_augmentation_the_structures_are_labelled_as_they_are(silicon):
    flow = ActiveLearningMaker(augmentation=None, training=AVERAGE).make([silicon])
    assert [each.name for each in flow.jobs] == ["active learning"]
    state = flow.jobs[0].function_args[0]
    assert len(Dataset.load(state.pending)) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"max_labels": 0}, "max_labels is 0"),
        ({"tolerance": {"force": 0.1}}, "did you mean 'forces'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ActiveLearningMaker(**fields)


def test_coincident_atoms_stop_before_any_job(silicon):
    silicon.positions[1] = silicon.positions[0]
    with pytest.raises(ValueError, match=r"(?i)atoms|distance|close"):
        ActiveLearningMaker().make([silicon])


def test_workers_chosen_by_name_hold_for_appended_jobs(silicon, jobstore, clean_dir):
    """The trap: by default children inherit their parent's worker."""
    flow = ActiveLearningMaker(augmentation=None, training=AVERAGE).make([silicon])
    set_run_config(flow, name_filter="qe static", worker="dft", dynamic=True)
    set_run_config(flow, name_filter="active learning", worker="main", dynamic=True)
    response = flow.jobs[0].run(jobstore)
    plan = next(j for j, _ in response.replace.iterflow() if j.name == "plan labels")
    assert "worker" not in plan.config.manager_config
    labels = plan.run(jobstore).replace
    workers = {j.name: j.config.manager_config.get("worker") for j in labels.jobs}
    assert workers["qe static"] == "dft"
    assert workers["collect labels"] is None


def test_a_stage_that_fails_ends_the_campaign_with_its_error(
    silicon, jobstore, clean_dir, monkeypatch
):
    """No pw.x: labelling fails, the loop still runs and says why."""
    monkeypatch.setenv("FLOWPOT_PW_CMD", "no-such-pw.x")
    maker = ActiveLearningMaker(name="doomed", augmentation=None, training=AVERAGE)
    flow = maker.make([silicon])
    run_locally(flow, store=jobstore, log=False)
    doc = Campaign.from_store(jobstore, "doomed").doc
    assert doc.stop_kind == "failed"
    assert "labelling stage ended without a result. LabellingError: only 0 of 1" in (
        doc.stop_reason
    )
    assert doc.iterations[0].failed_stage == "labelling"
    assert doc.dataset == []
    assert doc.committee is None


def test_preflight_asks_only_makers_that_can_answer(silicon, clean_dir):
    """Stages of other packages may have neither a static Maker nor a trainer."""
    assert trivial_campaign(1).preflight([silicon], clean_dir) is None


def test_preflight_names_what_is_missing(silicon, clean_dir, monkeypatch):
    maker = ActiveLearningMaker()
    monkeypatch.setenv("FLOWPOT_PW_CMD", "no-such-pw.x")
    with pytest.raises(RuntimeError, match="FLOWPOT_PW_CMD"):
        maker.preflight([silicon], clean_dir)
    monkeypatch.setenv("FLOWPOT_PW_CMD", "true")
    with pytest.raises(RuntimeError, match="FLOWPOT_PSEUDO_DIR"):
        maker.preflight([silicon], clean_dir)
    (clean_dir / "file").touch()
    with pytest.raises(RuntimeError, match="not writable"):
        maker.preflight([silicon], clean_dir / "file" / "below")
