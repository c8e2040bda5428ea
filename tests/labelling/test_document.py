"""Label jobs tell a database what their frames are and what came out."""

import numpy as np
import pytest
from ase.build import bulk
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from jobflow import run_locally

from flowpot.dataset import Dataset
from flowpot.labelling import LabellingMaker
from flowpot.labelling.document import frame_record


@pytest.fixture
def frames() -> Dataset:
    """Three rattled cells of copper: two explored ones, and one that is not."""
    atoms = [bulk("Cu", cubic=True) for _ in range(3)]
    for seed, frame in enumerate(atoms):
        frame.rattle(0.05, seed=seed)
    return Dataset.from_atoms(atoms).with_info(
        config_type=["md", "md", "strained"],
        temperature=np.array([300.0, 900.0, np.nan]),
        parent=["a", "b", "c"],
    )


def jobs_with(store, query, *fields):
    return list(store.query({"name": "qe static", **query}, list(fields)))


def test_a_record_has_what_the_frame_has(frames):
    record = frame_record(frames[1], "ff")
    assert record == {
        "fingerprint": "ff",
        "formula": "Cu4",
        "n_atoms": 4,
        "config_type": "md",
        "temperature": 900.0,
        "parent": "b",
    }
    assert "temperature" not in frame_record(frames[2], "ff")


def test_jobs_of_any_atomate2_maker_are_found_by_their_frames(
    frames, jobstore, clean_dir
):
    maker = ForceFieldStaticMaker(
        name="qe static",
        force_field_name={"@module": "ase.calculators.emt", "@callable": "EMT"},
    )
    flow = LabellingMaker(static_maker=maker).make(frames)
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    hot = {"metadata.frames.temperature": {"$gt": 500}}
    (document,) = jobs_with(jobstore, hot, "metadata", "output.output.energy")
    (record,) = document["metadata"]["frames"]
    assert record["fingerprint"] == frames.fingerprints[1]
    assert len(jobs_with(jobstore, {"metadata.frames.config_type": "md"})) == 2


@pytest.mark.qe
@pytest.mark.parametrize("size", [1, 3])
def test_jobs_of_pw_are_found_by_their_labels(size, cheap, jobstore, clean_dir):
    atoms = [bulk("Si", a=5.43 * scale) for scale in (1.0, 1.05, 1.1)]
    for seed, frame in enumerate(atoms):
        frame.rattle(0.05, seed=seed)
    frames = Dataset.from_atoms(atoms).with_info(config_type="strained")
    flow = LabellingMaker(static_maker=cheap, batch_size=size).make(frames)
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    labels = Dataset.load(jobstore.get_output(flow.output.uuid, load=True)["dataset"])
    largest = [np.linalg.norm(frame.get_forces(), axis=1).max() for frame in labels]
    if size == 1:
        documents = jobs_with(jobstore, {}, "metadata.frames", "output.output")
        pairs = [(d["metadata"]["frames"][0], d["output"]["output"]) for d in documents]
    else:
        (document,) = jobs_with(jobstore, {}, "metadata.frames", "output.runs")
        runs = document["output"]["runs"]
        assert [run["frame"] for run in runs] == document["metadata"]["frames"]
        pairs = [(run["frame"], run) for run in runs]
    of_frame = {record["fingerprint"]: label for record, label in pairs}
    for fingerprint, energy, force in zip(
        labels.fingerprints, labels.energy, largest, strict=True
    ):
        assert of_frame[fingerprint]["energy"] == pytest.approx(energy)
        assert of_frame[fingerprint]["forces_max"] == pytest.approx(force)
