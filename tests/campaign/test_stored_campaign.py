"""A campaign that an earlier version left in a folder is read and goes on."""

import json
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from monty.json import MontyDecoder

from flowpot import ActiveLearningMaker, Campaign
from flowpot.campaign import LoopMaker, ResumableRun, embedded_store
from flowpot.jobs import jobs_of

ARCHIVE = Path(__file__).parents[1] / "data" / "stored_campaign" / "silicon.tar.xz"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder as it was left; read only."""
    return unpack(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def folder(tmp_path):
    """A copy of the folder that a test may run in."""
    return unpack(tmp_path)


def unpack(place):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    return place / "silicon"


def opened(folder):
    store = embedded_store(folder / "store")
    store.connect()
    return store


def still_encoded(item):
    """Find flowpot's classes and functions that decoding has left as dictionaries."""
    if isinstance(item, dict):
        if str(item.get("@module", "")).startswith("flowpot"):
            yield item["@module"], item.get("@class", item.get("@callable"))
        for value in item.values():
            yield from still_encoded(value)
    elif isinstance(item, list):
        for value in item:
            yield from still_encoded(value)


def encoded_items(folder):
    """Yield what holds encoded objects: the jobs' outputs, the flow, the responses."""
    store = opened(folder)
    for document in store.query({}, ["uuid", "index"]):
        yield store.get_output(document["uuid"], document["index"], load=True)
    for path in (folder / "run").rglob("*.json"):
        if path.name != "campaign.json":  # a description, which is only compared
            yield json.loads(path.read_text().partition("\n")[0])  # below: a checksum


def test_every_document_flow_and_response_is_decoded(kept):
    encoded = Counter()
    for item in encoded_items(kept):
        encoded.update(still_encoded(item))
        assert not list(still_encoded(MontyDecoder().process_decoded(item)))
    assert len(encoded) > 40  # the archive holds what it is kept for
    assert ("flowpot.campaign.loop", "record_iteration") in encoded


def test_it_is_read(kept):
    campaign = Campaign.from_store(opened(kept), "stored silicon")
    assert campaign.finished
    assert campaign.doc.stop_kind == "max_iterations"
    assert [doc.iteration for doc in campaign.iteration_docs] == [1, 2]
    assert len(campaign.dataset()) == campaign.iteration_docs[-1].n_dataset == 17
    assert len(campaign.dataset().labelled) == 17
    assert set(campaign.calibration) >= {"energy", "forces", "stress"}
    members = campaign.committee().members
    assert [member.backend for member in members] == ["mace", "mace"]
    assert len(members[0].model.read_bytes()) == members[0].model.size
    assert len(campaign.evidence()) == 4
    assert len(campaign.evidence(last=1)) == 1
    assert len(campaign.unlabelled()) == 3  # chosen by the last evaluation


def forget_after(folder, name, which):
    """
    Undo what was done after a job of the second iteration, as if it had been killed.

    The iteration has two halves: its pilot was labelled and evaluated after the rest.

    Parameters
    ----------
    name
        Name of the job.
    which
        Its place among those of its name.

    Returns
    -------
    set of (uuid, index)
        The jobs that remain.
    """
    store = opened(folder)
    fields = ["uuid", "index", "name", "metadata", "completed_at"]
    documents = sorted(
        store.docs_store.query({}, fields), key=lambda d: d["completed_at"]
    )
    places = [
        place
        for place, document in enumerate(documents)
        if document["name"] == name and document["metadata"].get("iteration") == 2
    ]
    for document in documents[places[which] + 1 :]:
        job = {"uuid": document["uuid"], "index": document["index"]}
        store.docs_store.remove_docs(job)
        response = "{uuid}-{index}.json".format(**job)
        (folder / "run" / "responses" / response).unlink()
    return {(d["uuid"], d["index"]) for d in documents[: places[which] + 1]}


@pytest.mark.parametrize(
    ("name", "which"),
    [
        pytest.param("collect labels", -2, marks=[pytest.mark.slow, pytest.mark.qe]),
        pytest.param("collect committee", -1, marks=pytest.mark.qe),
        ("collect labels", -1),
        ("evaluate committee", -1),
        ("record iteration", -1),
    ],
)
def test_a_killed_run_goes_on_and_repeats_nothing(folder, name, which, clean_dir):
    before = Campaign.from_store(opened(folder), "stored silicon")
    done = forget_after(folder, name, which)
    assert not Campaign.from_store(opened(folder), "stored silicon").finished
    events = {}

    def watch(event, job, _):
        events.setdefault(event, set()).add((job.uuid, job.index))

    store = opened(folder)
    flow = ResumableRun(folder / "run", store, watch).run()
    assert not events["started"] & done
    assert events["reused"] == done
    assert set(events) == {"reused", "started", "finished"}
    campaign = Campaign.from_store(store, flow.output.uuid)
    assert campaign.doc.stop_kind == "max_iterations"
    assert len(campaign.doc.iterations) == 2
    assert campaign.doc.iterations[0] == before.doc.iterations[0]
    assert len(campaign.dataset()) == len(before.dataset())


def test_it_is_continued_under_new_limits(folder, clean_dir):
    """With labels of another engine, and the committee that it has."""
    store = opened(folder)
    ended = Campaign.from_store(store, "stored silicon")
    jobs = {document["uuid"] for document in store.query({}, ["uuid"])}
    maker = stored_maker(folder)
    engine = {"@module": "ase.calculators.lj", "@callable": "LennardJones"}
    labeller = ForceFieldStaticMaker(name="qe static", force_field_name=engine)
    longer = replace(
        maker,
        labelling=replace(maker.labelling, static_maker=labeller, batch_size=1),
        training=None,
        max_iterations=3,
        max_labels=None,
    )
    flow = ResumableRun(folder / "run-2", store).run(longer.make(campaign=ended))
    campaign = Campaign.from_store(store, flow.output.uuid)
    assert campaign.uuid == ended.uuid
    assert campaign.doc.stop_kind == "max_iterations"
    assert campaign.doc.iterations[:2] == ended.doc.iterations
    assert len(campaign.doc.iterations) == 3
    assert len(campaign.dataset()) > len(ended.dataset())
    new = [each for each in store.query({}) if each["uuid"] not in jobs]
    assert {each["metadata"].get("iteration") for each in new} == {3, None}


def stored_maker(folder) -> ActiveLearningMaker:
    """Read the campaign's Maker out of the flow that the folder holds."""
    makers = [job.maker for job in jobs_of(ResumableRun(folder / "run", None).flow)]
    [loop] = [maker for maker in makers if isinstance(maker, LoopMaker)]
    return loop.campaign
