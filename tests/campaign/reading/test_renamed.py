"""A campaign is read by what flowpot writes, whatever users make of names and tags."""

import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, JobStore, Maker, run_locally
from maggma.stores import MemoryStore

from flowpot import AugmentationMaker, Campaign, LabellingMaker
from flowpot.augmentation import Distortions
from flowpot.campaign.costs import Costs
from flowpot.jobs import ROLE, jobs_of
from flowpot.jobs.tags import TAGS
from refinable_emt import ShiftingMaker
from trivial_campaign import trivial_campaign

NAMES = ("active learning", "collect committee")


def memory_store() -> JobStore:
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    return store


def campaign_maker(n_iterations=2):
    """A campaign with flowpot's own first stages, on a few cells of copper."""
    augmentation = AugmentationMaker(
        supercell=None,
        distortion=Distortions(n_frames=3, fraction=0.1),
        clusters=None,
        slabs=None,
    )
    static = ShiftingMaker(name="qe static")
    labelling = LabellingMaker(static_maker=static, stress_convention="ase")
    maker = trivial_campaign(n_iterations)
    return replace(maker, augmentation=augmentation, labelling=labelling)


def renamed_makers(maker):
    """Give each stage's Maker, and the engine's, a name of the user's."""
    given = {
        field.name: replace(stage, name=f"my {field.name}")
        for field in fields(maker)
        if isinstance(stage := getattr(maker, field.name), Maker)
    }
    given["labelling"].static_maker.name = "my engine"
    return replace(maker, **given)


def engine_named(name):
    """Give the engine the name of a job that the campaign is read by."""

    def change(maker):
        maker.labelling.static_maker.name = name
        return maker

    return change


def direct_update(flow):
    flow.jobs[-1].update_metadata({"stage": "mine", "iteration": "seven"})


def renamed_loop(flow):
    flow.jobs[-1].name = "my loop"


def in_larger_flow(flow):
    outer = Flow([flow])
    outer.append_name(" test")
    outer.update_metadata({"stage": "mine", "project": "alloys"})


def updated(*args, **options):
    return lambda flow: flow.update_metadata(*args, **options)


FLOWS = {
    "appended": lambda flow: flow.append_name(" test"),
    "prepended": lambda flow: flow.append_name("test ", prepend=True),
    "static": lambda flow: flow.append_name(" test", dynamic=False),
    "the loop": renamed_loop,
    "flowpot's keys": updated(dict.fromkeys(TAGS, "mine")),
    "without jobs to come": updated({"iteration": 7, "stage": "mine"}, dynamic=False),
    "a job": direct_update,
    "larger flow": in_larger_flow,
}
MAKERS = {"makers": renamed_makers, **{name: engine_named(name) for name in NAMES}}


def run(store, maker, change=None, **given):
    flow = maker.make(**given or {"structures": [bulk("Cu", cubic=True)]})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="metadata .*flowpot writes")
        if change is not None:
            change(flow)
        run_locally(flow, store=store, log=False, ensure_success=True)
    return store


def interrupted(store, choose=max):
    """Forget what came after the second labelling, or with `min` after its plan."""
    role = {f"metadata.{ROLE}": "collect labels", "metadata.iteration": 2}
    last = choose(d["completed_at"] for d in store.query(role, ["completed_at"]))
    store.docs_store.remove_docs({"completed_at": {"$gt": last}})
    return store


def contents(store):
    """Return all that is read of a campaign but times, uuids and the Makers."""
    campaign = Campaign.from_store(store, "trivial")
    status = campaign.status
    of_run = {"seconds", "evaluation_job", "failed_job", "failed_calculations"}
    frames = campaign.dataset()
    keys = {"fingerprint", "energy", "forces_max", "labelled_in"}
    labels = [{k: label[k] for k in keys} for label in campaign.labels()]
    return {
        "end": (campaign.finished, campaign.stop_reason, campaign.others),
        "stages": [
            (s.iteration, s.stage, s.done, s.total, s.finished) for s in status.stages
        ],
        "status": (status.iteration, status.n_dataset, status.max_iterations),
        "iterations": [d.model_dump(exclude=of_run) for d in campaign.iteration_docs],
        "cost": campaign.cost.notna().to_dict(),
        "label costs": campaign.label_costs,
        "frames": sorted(zip(frames.fingerprints, frames.energy, strict=True)),
        "labels": sorted(labels, key=lambda label: label["fingerprint"]),
        "queried": len(campaign.labels({"labelled_in": 1})),
        "predictions": [list(each.fingerprints) for each in campaign.predictions()],
        "evaluated": len(campaign._evaluated("evidence", None)),
        "members": len(campaign.committee().members),
        "metrics": campaign.member_metrics,
        "runs": campaign.n_runs,
        "failures": campaign.failures.to_dict("records"),
        "seed": campaign.seed,
        "makers": set(campaign.makers),
        "settings": set(campaign.settings),
        "costs": Costs.from_store(store).basis,
    }


def assert_alike(store, other):
    found, expected = contents(store), contents(other)
    for name, value in expected.items():
        assert found[name] == value, name


@pytest.fixture(scope="module")
def usual():
    return run(memory_store(), campaign_maker())


@pytest.fixture(scope="module")
def usual_interrupted():
    return interrupted(run(memory_store(), campaign_maker()))


def test_the_comparison_sees_each_stage(usual, usual_interrupted):
    known = contents(usual)
    stages = {stage for _, stage, *_ in known["stages"]}
    loop = {"labelling", "training", "exploration", "evaluation"}
    assert stages == {"augmentation", *loop}
    assert (len(known["labels"]), known["queried"]) == (6, 5)
    assert len(known["predictions"]) == known["evaluated"] == 2
    before = contents(usual_interrupted)
    assert not before["end"][0]
    assert before["iterations"][0] == known["iterations"][0]
    assert [i["iteration"] for i in before["iterations"]] == [1, 2]


@pytest.mark.parametrize("change", FLOWS.values(), ids=FLOWS)
def test_a_flow_that_users_have_changed_is_read_alike(usual, usual_interrupted, change):
    store = run(memory_store(), campaign_maker(), change)
    assert_alike(store, usual)
    assert_alike(interrupted(store), usual_interrupted)


@pytest.mark.parametrize("change", MAKERS.values(), ids=MAKERS)
def test_names_of_makers_do_not_matter(usual, usual_interrupted, change):
    store = run(memory_store(), change(campaign_maker()))
    assert_alike(store, usual)
    assert_alike(interrupted(store), usual_interrupted)


def test_a_renamed_campaign_is_continued():
    stores = []
    for change in (None, FLOWS["appended"]):
        store = run(memory_store(), campaign_maker(), change)
        ended = Campaign.from_store(store, "trivial")
        run(store, campaign_maker(3), change, campaign=ended)
        stores.append(store)
    assert_alike(stores[1], stores[0])
    assert len(Campaign.from_store(stores[1]).iteration_docs) == 3


@pytest.mark.parametrize(
    ("change", "loop"),
    [
        ("appended", "active learning test"),
        ("prepended", "test active learning"),
        ("static", "active learning test"),
        ("the loop", "my loop"),
    ],
)
def test_names_do_not_grow(change, loop):
    store = run(memory_store(), trivial_campaign(3), FLOWS[change])
    found = store.query({f"metadata.{ROLE}": "active learning"}, ["name"])
    assert [each["name"] for each in found] == [loop] * 5
    names = {each["name"] for each in store.query({}, ["name"])}
    assert max(name.count("test") for name in names) <= 1


def test_a_stage_that_has_only_planned_has_no_result():
    """Its plan has the uuid and the role of the job that is to collect its results."""
    store = interrupted(run(memory_store(), campaign_maker()), min)
    present = [s for s in Campaign.from_store(store).status.stages if s.iteration == 2]
    stages = {s.stage: (s.done, s.total, s.finished) for s in present}
    assert stages["labelling"] == (0, 2, False)
    assert len(Campaign.from_store(store).dataset()) == 5


def test_what_users_write_elsewhere_reaches_every_job():
    store = run(memory_store(), campaign_maker(), FLOWS["larger flow"])
    tags = [each["metadata"] for each in store.query({}, ["metadata"])]
    assert {each.get("project") for each in tags} == {"alloys"}
    assert {each["campaign"] for each in tags} == {"trivial"}
    assert all(ROLE in each for each in tags)


def test_a_warning_names_what_stays():
    flow = campaign_maker().make([bulk("Cu")])
    with pytest.warns(UserWarning, match="metadata iteration, stage: flowpot writes"):
        flow.update_metadata({"stage": "mine", "iteration": 7, "project": "alloys"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow.update_metadata({"project": "alloys"})
    with pytest.warns(UserWarning, match="metadata campaign_uuid: flowpot writes"):
        flow.update_metadata(
            {"_set": {"campaign_uuid": 7, "price": 1}, "_unset": ["project"]},
            dict_mod=True,
        )
    loop = flow.jobs[-1].metadata
    assert "project" not in loop
    assert loop["price"] == 1
    assert loop["campaign_uuid"] != 7
    assert flow.as_dict()["@class"] == "Flow"


def test_workers_are_still_chosen_by_names():
    """As jobflow-remote's `set_run_config` does, before and after a change of names."""
    flow = campaign_maker().make([bulk("Cu", cubic=True)])
    flow.append_name(" test")
    flow.update_config({"manager_config": {"worker": "w"}}, name_filter="plan labels")
    store = memory_store()
    *first, loop = jobs_of(flow)
    for job in first:
        job.run(store)
    appended = jobs_of(loop.run(store).replace)
    workers = {job.name: job.config.manager_config for job in appended}
    assert workers["plan labels test"] == {"worker": "w"}
    assert not workers["collect frames test"]


def documents_with_roles(store, *, named):
    """Give each document the role that it had by its name, and another name."""
    for document in list(store.docs_store.query({})):
        if document["name"] == "qe static":
            document["output"] |= {"nsites": 4}
        if document["name"] == "collect committee":
            document["output"] |= {"n_frames": {"train": 10}}
        if named is not None:
            document["metadata"][ROLE] = document["name"]
            document["name"] = named
        store.docs_store.update(document, ["uuid", "index"])
    return store


def facts(store):
    """Return what is read of a synthetic campaign."""
    campaign = Campaign.from_store(store, "synthetic")
    label = campaign.labels({"trajectory": {"$exists": True}})[0]
    costs = Costs.from_store(store)
    return {
        "stages": [(s.iteration, s.stage, s.seconds) for s in campaign.status.stages],
        "provenance": campaign.provenance(label["fingerprint"]).trajectory["seed"],
        "labels": [each["energy"] for each in campaign.labels()],
        "label costs": campaign.label_costs,
        "costs": (costs.label_by_atom, costs.member, costs.step, costs.basis),
        "settings": campaign.settings,
        "e0s": campaign.e0s,
        "failures": len(campaign.failures),
        "remarks": campaign.remarks.to_dict(),
        "evidence": [np.sort(e["error_forces"])[0] for e in campaign.evidence()],
        "makers": campaign.makers,
    }


def test_stores_of_earlier_versions_have_names_only(synthetic_campaign):
    """And are read as those of today, in which the names tell nothing."""
    found = []
    for named in (None, "any name"):
        store = memory_store()
        synthetic_campaign(store)
        found.append(facts(documents_with_roles(store, named=named)))
    assert found[0]["costs"][:3] == (3.0, 180.0, 0.18)
    assert len(found[0]["labels"]) == 60
    assert found[1] == found[0]


def test_a_campaign_that_an_earlier_version_has_begun_goes_on():
    """Its first jobs have no role, and those to come have one."""
    mixed = run(memory_store(), campaign_maker())
    first = {"metadata.iteration": {"$in": [None, 1]}, "completed_at": {"$lt": "9"}}
    for document in list(mixed.docs_store.query(first)):
        del document["metadata"][ROLE]
        mixed.docs_store.update(document, ["uuid", "index"])
    usual = run(memory_store(), campaign_maker())
    assert 0 < len(list(mixed.query({f"metadata.{ROLE}": {"$exists": True}}))) < 20
    assert_alike(mixed, usual)
