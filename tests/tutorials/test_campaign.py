"""The tutorials run, shortened, on the real engines; their results are looked at."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from jobflow import JobStore
from pymongo import MongoClient

from flowpot import Campaign, Dataset
from flowpot.campaign import embedded_store
from flowpot.demo import silicon_campaign
from flowpot.report import campaign_table, write_results
from markdown_blocks import run_blocks

TUTORIALS = Path(__file__).parents[2] / "tutorials"
_ESPRESSO = 'EspressoStaticMaker(protocol="fast", pseudo_family="debian-pbe")'
_RUN = "from jobflow import run_locally\n"
_EMT = {"@module": "ase.calculators.emt", "@callable": "EMT"}
_INSTALL = (  # what would be installed of this checkout, without a network
    "pip install --dry-run --no-deps --no-build-isolation "
    f"'{TUTORIALS.parent}[mace,lammps,localdb]'"
)
README = [  # the example on copper, with labels by EMT and nothing after them
    (_ESPRESSO, f"ForceFieldStaticMaker(force_field_name={_EMT})"),
    (_RUN, f"{_RUN}from atomate2.forcefields.jobs import ForceFieldStaticMaker\n"),
    ('pip install ".[mace,lammps,localdb]"', _INSTALL),
    ('"smoke",', '"smoke", training=None, exploration=None, evaluation=None,'),
]
"""What is too long in README for a test, and what stands for it."""


def load(name):
    spec = importlib.util.spec_from_file_location(name, TUTORIALS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_is_the_demo():
    script = load("01_silicon").compose(quick=False)
    assert script.as_dict() == silicon_campaign().as_dict()


@pytest.fixture(scope="module")
def silicon(tmp_path_factory) -> Path:
    """Folder of the first tutorial's campaign: pw.x, MACE, LAMMPS, SQLite."""
    here = tmp_path_factory.mktemp("silicon")
    with pytest.MonkeyPatch.context() as patch:  # as its docstring says: from here
        patch.chdir(here)
        patch.setattr("sys.argv", ["01_silicon.py", "--quick"])
        load("01_silicon").main()
    assert {path.name for path in here.iterdir()} == {"silicon-tutorial"}
    return here / "silicon-tutorial"


@pytest.fixture
def demo(silicon, tmp_path, monkeypatch) -> Path:
    """A folder as `make demo` leaves it, and as a user stands in it."""
    root = Path(__file__).parents[2]
    for name in ("tutorials", "SECURITY.md"):
        (tmp_path / name).symlink_to(root / name)
    shutil.copytree(silicon, tmp_path / "flowpot-demo", symlinks=True)
    activate = tmp_path / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.touch()  # the tests' own environment is on PATH
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("README.md", README),
        ("tutorials/01_first_campaign.md", ()),
        pytest.param("tutorials/07_using_the_result.md", (), marks=pytest.mark.slow),
    ],
)
def test_every_block_runs_after_the_demo(path, short, demo):
    assert run_blocks(TUTORIALS.parent / path, demo, short) > 0


@pytest.fixture
def reopened(silicon) -> JobStore:
    """The campaign's database, opened anew."""
    store = embedded_store(silicon / "store")
    store.connect()
    return store


@pytest.fixture
def campaign(reopened) -> Campaign:
    return Campaign.from_store(reopened, "silicon")


def test_the_campaign_ends_with_a_reason_after_two_iterations(campaign):
    doc = campaign.doc
    assert doc.stop_kind == "max_iterations"
    assert doc.stop_reason.startswith("max_iterations: ")
    assert "2 of 2 iterations done" in doc.stop_reason
    first, second = doc.iterations
    assert first.n_selected + first.n_audit == second.n_labelled + second.n_failed
    assert second.n_dataset == first.n_labelled + second.n_labelled
    assert set(doc.iterations[0].calibration) == {"energy", "forces", "stress"}
    assert all(fit.slope > 0 for fit in first.calibration.values())


def test_what_was_selected_was_labelled(campaign):
    """The calibration's choice is what the next iteration's pw.x jobs got."""
    explored = campaign.dataset().info["config_type"] == "md"
    frames = campaign.dataset()[explored]
    assert len(frames) == campaign.doc.iterations[1].n_labelled > 0
    assert set(frames.info["iteration"]) == {1}
    assert set(frames.info["selection"]) <= {"selected", "audit"}
    spread = np.asarray(frames.info["disagreement_forces"], float)
    assert (spread > 0).all()


def test_the_store_answers_queries(reopened):
    """Plain MongoDB queries on the reopened database find every stage."""
    names = {doc["name"] for doc in reopened.query({}, ["name"])}
    assert {
        "augment",
        "plan labels",
        "qe static",
        "collect labels",
        "mace train",
        "collect committee",
        "plan md",
        "lammps md",
        "collect frames",
        "evaluate committee",
        "active learning",
    } <= names
    second = {
        "metadata.campaign": "silicon",
        "metadata.iteration": 2,
        "metadata.stage": "labelling",
    }
    assert {d["name"] for d in reopened.query(second, ["name"])} >= {
        "qe static",
        "collect labels",
    }
    evaluated = reopened.query_one({"name": "evaluate committee"}, ["output"])
    assert evaluated["output"]["calibration"]["forces"]["slope"] > 0


def test_documents_stay_small(reopened):
    """Frames and models are in the `data` store, not in the documents."""
    for doc in reopened.docs_store.query({}):
        size = len(json.dumps(doc, default=str))
        assert size < 100_000, f"{doc['name']} has {size} bytes"


def test_results_are_written(campaign, tmp_path):
    written = write_results(campaign, tmp_path)
    assert set(written) == {"dataset", "models", "report", "figures"}
    assert len(list(written["models"].iterdir())) == len(campaign.committee().members)
    beside = {path.stem for path in tmp_path.iterdir()}
    assert {"rmse", "parity", "calibration", "map"} <= beside
    frames = read(written["dataset"], ":")
    assert (
        len(frames) == len(Dataset.load(written["dataset"])) == len(campaign.dataset())
    )
    assert "REF_energy" in frames[0].info


def test_the_table_shows_both_iterations(campaign):
    table = campaign_table(campaign.name, campaign.iteration_docs)
    assert [column.header for column in table.columns] == ["iteration", "1", "2"]
    rows = list(table.columns[0].cells)
    for row in ("frames labelled (failed)", "seconds in DFT", "frames explored"):
        assert row in rows


def test_an_unknown_campaign_is_named(reopened):
    with pytest.raises(LookupError, match=r"'gold'.*silicon"):
        Campaign.from_store(reopened, "gold")


def test_labels_are_those_of_the_dataset(campaign):
    """Batches of two frames; forces and temperatures as in the frames themselves."""
    frames = campaign.dataset()
    labels = {each["fingerprint"]: each for each in campaign.labels()}
    assert set(labels) == set(frames.fingerprints)
    for atoms, fingerprint in zip(frames, frames.fingerprints, strict=True):
        label = labels[fingerprint]
        assert label["energy"] == pytest.approx(atoms.get_potential_energy())
        largest = np.linalg.norm(atoms.get_forces(), axis=1).max()
        assert label["forces_max"] == pytest.approx(largest)
        assert label.get("temperature") == atoms.info.get("temperature")


def test_provenance_of_an_explored_frame(campaign, reopened):
    """Back to its start, an input structure, its run and the model that drove it."""
    label = campaign.labels({"config_type": "md"})[0]
    found = campaign.provenance(label["fingerprint"])
    assert found.ancestors[0]["fingerprint"] == label["parent"]
    assert found.ancestors[-1]["config_type"] == "input"
    assert found.trajectory["trajectory"] == label["trajectory"]
    assert found.trajectory["temperature"][0] == label["temperature"]
    first = {"name": "collect committee", "metadata.iteration": 1}
    committee = reopened.query_one(first, ["uuid"])
    members = reopened.get_output(committee["uuid"], load=True)["members"]
    driver = members[found.trajectory["member"]]
    assert found.model["sha256"] == driver.model.sha256


def test_the_questions_of_tutorial_2(campaign, reopened, mongo_uri, monkeypatch):
    """Plain pymongo finds what Campaign finds."""
    ask = load("04_query_the_store")
    with MongoClient(mongo_uri) as client:
        collection = client["tutorial"]["docs"]
        for document in reopened.docs_store.query({}):
            collection.insert_one({k: v for k, v in document.items() if k != "_id"})
        monkeypatch.setattr("sys.argv", ["02", mongo_uri, "tutorial", "docs"])
        ask.main()
        asked = (collection, campaign.uuid)
        strong = campaign.labels({"forces_max": {"$gt": 2.0}})
        found = ask.strong_forces(*asked)
        assert {frame["fingerprint"] for _, frame in found} == {
            each["fingerprint"] for each in strong
        }
        assert ask.jobs(*asked)["collect labels"] == 2
        assert ask.errors(*asked) == [
            (doc.iteration, doc.metrics["test"]["forces"])
            for doc in campaign.iteration_docs
        ]
        frame = campaign.labels({"config_type": "md"})[0]["fingerprint"]
        ancestors = campaign.provenance(frame).ancestors
        chain = [frame, *(each["fingerprint"] for each in ancestors)]
        assert ask.ancestry(*asked, frame) == chain
        spent = campaign.cost.sum().drop("augmentation").to_dict()
        assert dict(ask.costs(*asked)) == pytest.approx(spent)
