"""The loop without engines: how it starts, hands on, fails and is configured."""

import json

import pytest
from ase.build import bulk
from jobflow import Flow, job, run_locally
from jobflow_remote import set_run_config
from monty.json import MontyDecoder, MontyEncoder

from flowpot import ActiveLearningMaker, Campaign, Dataset
from flowpot.campaign import LoopMaker


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
    flow = ActiveLearningMaker(augmentation=None).make([silicon])
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


def test_nothing_to_start_from_is_refused():
    with pytest.raises(ValueError, match="structures, dataset missing"):
        ActiveLearningMaker().make()


def test_coincident_atoms_stop_before_any_job(silicon):
    silicon.positions[1] = silicon.positions[0]
    with pytest.raises(ValueError, match=r"(?i)atoms|distance|close"):
        ActiveLearningMaker().make([silicon])


def test_makers_survive_json_and_are_updated_inside_the_loop(silicon):
    flow = ActiveLearningMaker().make([silicon])
    flow.update_maker_kwargs(
        {"_set": {"campaign->max_iterations": 3}}, class_filter=LoopMaker, dict_mod=True
    )
    again = json.loads(json.dumps(flow, cls=MontyEncoder), cls=MontyDecoder)
    loop = again.jobs[-1].maker
    assert loop.campaign.max_iterations == 3
    assert loop.campaign == flow.jobs[-1].maker.campaign


def test_workers_chosen_by_name_hold_for_appended_jobs(silicon, jobstore, clean_dir):
    """The trap: by default children inherit their parent's worker."""
    flow = ActiveLearningMaker(augmentation=None).make([silicon])
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
    flow = ActiveLearningMaker(name="doomed", augmentation=None).make([silicon])
    run_locally(flow, store=jobstore, log=False)
    doc = Campaign.from_store(jobstore, "doomed").doc
    assert doc.stop_kind == "failed"
    assert "labelling stage ended without a result: LabellingError: only 0 of 1" in (
        doc.stop_reason
    )
    assert doc.iterations[0].failed_stage == "labelling"
    assert doc.dataset == []
    assert doc.committee is None


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


@job
def count(iterations):
    return len(iterations)


def test_a_campaign_is_a_step_of_a_larger_flow(silicon, jobstore, clean_dir):
    campaign = ActiveLearningMaker(
        augmentation=None, labelling=None, training=None, exploration=None
    ).make(dataset=[bulk("Si"), *[_rattled(silicon, i) for i in range(9)]])
    counting = count(campaign.output.iterations)
    run_locally(
        Flow([campaign, counting]), store=jobstore, log=False, ensure_success=True
    )
    assert counting.output.resolve(jobstore) == 1
    doc = Campaign.from_store(jobstore, "active learning").doc
    assert doc.stop_kind == "completed"


def _rattled(atoms, seed):
    copy = atoms.copy()
    copy.rattle(0.05, seed=seed)
    return copy
