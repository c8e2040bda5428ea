"""A campaign is read back from its documents, finished or running."""

import numpy as np
import pytest
from jobflow import JobStore
from maggma.stores import MemoryStore

from flowpot import Campaign
from flowpot.campaign.reading import status
from trivial_campaign import run_trivial_campaign


def memory_store() -> JobStore:
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    return store


@pytest.fixture(scope="module")
def finished(synthetic_campaign) -> Campaign:
    """Three iterations of 20 frames."""
    store = memory_store()
    synthetic_campaign(store)
    return Campaign.from_store(store)


@pytest.fixture(scope="module")
def running(synthetic_campaign) -> Campaign:
    """The same, as it is when the third labelling has ended."""
    store = memory_store()
    synthetic_campaign(store, finished=False)
    return Campaign.from_store(store, "synthetic")


def test_a_finished_campaign(finished):
    assert finished.finished
    assert finished.stop_reason == finished.doc.stop_reason
    assert finished.iteration_docs == finished.doc.iterations
    assert finished.iterations["n_dataset"].tolist() == [20, 40, 60]
    assert len(finished.dataset()) == 60
    assert [m.seed for m in finished.committee().members] == [1, 2]
    assert finished.cost.loc[2].to_dict() == {
        "labelling": 60.0,
        "training": 3600.0,
        "exploration": 1800.0,
        "evaluation": 60.0,
    }
    assert finished.calibration["forces"].tolerance == 0.1
    assert len(finished.evidence()) == 3
    told = finished.evidence()[-1]["disagreement_forces"]
    assert (finished.predictions()[-1].info["disagreement_forces"] == told).all()


def test_what_a_notebook_shows_is_short(finished):
    assert repr(finished) == f"Campaign(uuid='{finished.uuid}')"
    assert sum(member.model.size for member in finished.committee().members) > 100_000
    assert len(repr(finished.committee())) < 5000
    assert len(repr(finished.doc)) < 100_000


def test_a_campaign_is_shown_without_its_store():
    store = JobStore(MemoryStore())  # not connected
    assert repr(Campaign(store, "0123")) == "Campaign(uuid='0123')"


def test_errors_by_origin_are_a_table(finished):
    errors = finished.errors_by_origin
    assert len(errors) == 3 * (1 + 2 + 3)  # sets times origins
    last = errors[errors["iteration"] == 3].set_index(["origin", "set"])
    metrics = finished.iteration_docs[-1].metrics
    for origin in ("augmented", "explored 1", "explored 2"):
        row = last.loc[origin, "test"]
        assert row["n_frames"] == 2
        assert row["forces"] == metrics["test"]["forces"]


def test_stores_of_before_have_no_errors_by_origin(jobstore):
    campaign = run_trivial_campaign(jobstore, 1)
    assert campaign.errors_by_origin.empty
    assert campaign.committee().metrics_by_origin == {}


def test_a_running_campaign_has_what_there_is(running):
    assert not running.finished
    assert running.stop_reason is None
    assert running.iterations["n_dataset"].tolist() == [20, 40, 60]
    assert running.iteration_docs[-1].metrics is None
    assert running.iteration_docs[-1].n_failed == 1
    assert len(running.dataset()) == 60
    assert len(running.committee().members) == 2
    assert len(running.evidence()) == 2
    assert len(running.labels({"labelled_in": 3})) == 20
    with pytest.raises(RuntimeError, match="still running"):
        _ = running.doc


def test_the_status_of_a_running_campaign(running):
    now = running.status
    assert (now.iteration, now.n_dataset, now.stop_reason) == (3, 60, None)
    present = {s.stage: s for s in now.stages if s.iteration == 3}
    assert present["labelling"].finished
    assert (present["training"].done, present["training"].total) == (0, 3)
    before = [s.seconds for s in now.stages if s.iteration == 2]
    assert now.remaining == pytest.approx(sum(before[1:]))  # all but labelling


def test_an_iteration_with_a_pilot_goes_on_after_its_first_record(
    synthetic_campaign,
):
    store = memory_store()
    synthetic_campaign(store, n_iterations=1)
    documents = store.docs_store
    record = documents.query_one({"name": "record iteration"})
    record["output"] |= {"n_pilot": 10, "n_pilot_labelled": None}
    documents.update(record, key=["uuid", "index"])
    end = documents.query_one({"output.stop_reason": {"$exists": True}})
    end["output"] = {"planned": {"labelling": 1, "training": 3}}
    documents.update(end, key=["uuid", "index"])
    now = Campaign.from_store(store).status
    assert now.iteration == 1
    present = {s.stage: (s.done, s.total, s.finished) for s in now.stages}
    assert present["labelling"] == (0, 1, False)
    assert present["training"] == (0, 3, False)
    assert present["exploration"][2]


def test_the_rest_is_estimated_by_the_pace():
    stage = status.StageStatus(2, "labelling", done=10, total=40, seconds=60.0)
    earlier = status.StageStatus(1, "training", finished=True, seconds=100.0)
    now = status.CampaignStatus("a", "u", None, 0, [earlier, stage])
    assert now.remaining == 180.0 + 100.0
    assert now.at_most is None
    now.max_iterations = 5
    assert now.at_most == 180.0 + 100.0 + 3 * 100.0
    assert status.time_left(done=0, total=40, seconds=0.0) is None


def test_labels_are_found_by_what_they_are_and_what_came_out(finished):
    frames = finished.dataset()
    force = np.linalg.norm(frames.forces, axis=1).reshape(60, 4).max(axis=1)
    hot = np.asarray(frames.info["temperature"], float) > 500
    strong = force > np.median(force)
    query = {
        "temperature": {"$gt": 500},
        "forces_max": {"$gt": float(np.median(force))},
    }
    expected = set(frames.fingerprints[hot & strong])
    assert 0 < len(expected) < 40
    assert {each["fingerprint"] for each in finished.labels(query)} == expected


@pytest.mark.parametrize(
    ("query", "n"),
    [
        (None, 60),
        ({"config_type": "strained"}, 20),
        ({"config_type": {"$ne": "strained"}}, 40),
        ({"iteration": 1}, 20),
        ({"labelled_in": 1}, 20),
        ({"iteration": {"$exists": False}}, 20),
        ({"formula": {"$regex": "^Cu"}, "n_atoms": {"$lt": 5}}, 60),
        ({"$or": [{"iteration": 2}, {"config_type": "strained"}]}, 40),
        ({"$and": [{"iteration": {"$in": [1, 2]}}, {"labelled_in": 3}]}, 20),
        ({"config_type": "md", "iteration": {"$not": {"$gt": 1}}}, 20),
        ({"energy": {"$gt": 100.0}}, 0),
    ],
)
def test_queries_of_every_kind(finished, query, n):
    assert len(finished.labels(query)) == n


def test_batches_and_engines_of_others_answer_alike(finished, synthetic_campaign):
    """One document of several frames, and documents without the largest force."""
    store = memory_store()
    synthetic_campaign(store)
    documents = store.docs_store
    singles = list(documents.query({"name": "qe static", "metadata.iteration": 2}))
    batch, foreign = singles[:5], singles[5:]
    runs = [
        {"state": "successful", **d["output"]["output"], "folder": "f"} for d in batch
    ]
    records = [d["metadata"]["frames"][0] for d in batch]
    frames = finished.dataset()
    documents.remove_docs({"uuid": {"$in": [d["uuid"] for d in singles]}})
    one = batch[0] | {"output": {"runs": runs}}
    one["metadata"] = one["metadata"] | {"frames": records}
    documents.update(one, key=["uuid", "index"])
    for document in foreign:
        row = frames.fingerprints.tolist().index(
            document["metadata"]["frames"][0]["fingerprint"]
        )
        forces = frames[row].get_forces().tolist()
        label = {"energy": document["output"]["output"]["energy"], "forces": forces}
        documents.update(document | {"output": {"output": label}}, ["uuid", "index"])
    query = {"iteration": 1, "forces_max": {"$gt": 0.9}}
    for asked in (query, {"iteration": 1}):
        expected = {(d["fingerprint"], d["energy"]) for d in finished.labels(asked)}
        found = Campaign.from_store(store).labels(asked)
        assert {(each["fingerprint"], each["energy"]) for each in found} == expected
        assert all(each["forces_max"] for each in found)


def test_provenance_leads_to_the_trajectory_and_the_model(finished):
    frame = finished.labels({"trajectory": "run-2-7"})[0]
    found = finished.provenance(frame["fingerprint"])
    assert found.frame == frame
    assert [a["fingerprint"] for a in found.ancestors] == [frame["parent"]]
    assert found.trajectory["temperature"] == [300.0, 300.0]
    assert (found.trajectory["iteration"], found.trajectory["seed"]) == (2, 7)
    model = finished.committee().members[1]
    assert found.model["member"] == 1
    assert found.model["iteration"] == 2
    assert found.model["seed"] == 2
    assert found.model["sha256"] == model.model.sha256


def test_a_strained_frame_was_not_explored(finished):
    atoms = finished.dataset()[0]
    found = finished.provenance(atoms)
    assert (found.trajectory, found.model) == (None, None)
    with pytest.raises(LookupError, match="labelled no frame"):
        finished.provenance("0" * 32)


def test_failures_say_why_and_where(finished):
    first = finished.failures.iloc[0]
    assert (first["iteration"], first["stage"]) == (1, "labelling")
    assert (first["what"], first["reason"]) == ("f" * 32, "no convergence")
    assert first["folder"] == "/f"


def test_remarks_on_labels_are_counted_by_iteration(finished):
    first = finished.remarks.iloc[0]
    assert first.to_dict() == {
        "iteration": 1,
        "kind": "remedy",
        "text": "nbnd = 12",
        "n_frames": 1,
    }


def test_failed_labels_are_listed_before_they_are_collected(synthetic_campaign):
    store = memory_store()
    synthetic_campaign(store, n_iterations=1, finished=False)
    documents = store.docs_store
    documents.remove_docs({"name": "collect labels"})
    single, batch = list(documents.query({"name": "qe static"}))[:2]
    single["output"] = {"state": "failed", "errors": ["no memory"], "dir_name": "h:/a"}
    run = {"state": "failed", "errors": ["no disk"], "folder": "h:/b"}
    batch["output"] = {"runs": [run]}
    for document in (single, batch):
        documents.update(document, key=["uuid", "index"])
    found = Campaign.from_store(store).failures
    assert set(found["reason"]) == {"no memory", "no disk"}
    assert set(found["folder"]) == {"h:/a", "h:/b"}


def test_settings_are_those_of_the_documents(finished):
    assert finished.settings["training.lr"] == 0.01
    assert finished.settings["exploration.ensemble"] == "npt"
    assert finished.settings["tolerance.forces"] == 0.1


def test_a_campaign_is_found_by_name_and_uuid(finished, jobstore):
    store = finished._documents.store
    for wanted in (None, "synthetic", finished.uuid):
        assert Campaign.from_store(store, wanted).uuid == finished.uuid
    with pytest.raises(LookupError, match=r"'gold'.*synthetic"):
        Campaign.from_store(store, "gold")
    with pytest.raises(LookupError, match="has none"):
        Campaign.from_store(jobstore)


def test_the_energy_is_the_labels_not_the_one_without_smearing(
    finished, synthetic_campaign
):
    """VASP's documents state both, and the label is the free energy."""
    store = memory_store()
    synthetic_campaign(store)
    documents = store.docs_store
    criteria = {"name": "qe static", "metadata.iteration": 2}
    smeared = 100.0
    for document in list(documents.query(criteria)):
        energy = document["output"]["output"]["energy"]
        steps = [{"e_fr_energy": 0.0}, {"e_fr_energy": energy}]
        document["output"]["calcs_reversed"] = [{"output": {"ionic_steps": steps}}]
        document["output"]["output"]["energy"] = energy + smeared
        documents.update(document, ["uuid", "index"])
    found = Campaign.from_store(store)
    for query in ({}, {"energy": {"$lt": 50.0}}, {"energy": {"$gt": 50.0}}):
        expected = {
            each["fingerprint"]: each["energy"] for each in finished.labels(query)
        }
        energies = {each["fingerprint"]: each["energy"] for each in found.labels(query)}
        assert energies == expected
