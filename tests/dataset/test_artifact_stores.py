"""Artifacts pass from job to job, whatever the store."""

import json
import uuid

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, JobStore, job, run_locally
from maggma.stores import MemoryStore, MongoURIStore, MontyStore
from maggma.stores.gridfs import GridFSURIStore
from pydantic import BaseModel

from flowpot.dataset import Artifact, Dataset
from flowpot.jobs import stage_job


class FramesDoc(BaseModel):
    dataset: Artifact
    n_frames: int


@stage_job(FramesDoc)
def make_frames(n):
    rng = np.random.default_rng(0)
    frames = [bulk("Si", cubic=True) for _ in range(n)]
    for atoms in frames:
        atoms.rattle(0.1, rng=rng)
    dataset = Dataset.from_atoms(frames)
    return FramesDoc(dataset=dataset.to_artifact(), n_frames=n)


@job
def fingerprints_of(document, artifact, dataset):
    loaded = [Dataset.load(x) for x in (document, artifact, dataset)]
    assert isinstance(document, FramesDoc)
    assert isinstance(artifact, Artifact)
    assert isinstance(dataset, Dataset)
    return [each.fingerprints.tolist() for each in loaded]


@pytest.fixture
def memory():
    return JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})


@pytest.fixture
def monty(tmp_path):
    def store(name):
        return MontyStore(name, database_path=str(tmp_path), storage="sqlite")

    return JobStore(store("docs"), additional_stores={"data": store("data")})


@pytest.fixture
def gridfs(mongo_uri):
    database = f"flowpot_{uuid.uuid4().hex}"
    return JobStore(
        MongoURIStore(mongo_uri, "docs", database=database),
        additional_stores={
            "data": GridFSURIStore(mongo_uri, collection_name="data", database=database)
        },
    )


@pytest.mark.parametrize("root", [None, "memory://artifacts", "folder"])
@pytest.mark.parametrize("store", ["memory", "monty", "gridfs"])
def test_a_dataset_passes_between_jobs(store, root, request, tmp_path, monkeypatch):
    if root is not None:
        root = str(tmp_path / root) if root == "folder" else root
        monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", root)
    jobstore = request.getfixturevalue(store)
    made = make_frames(12)
    own = Dataset.from_atoms([bulk("C"), bulk("Ge")])
    read = fingerprints_of(made.output, made.output.dataset, own)
    run_locally(Flow([made, read]), store=jobstore, ensure_success=True)

    first, second, third = jobstore.get_output(read.uuid)
    assert first == second
    assert len(first) == 12
    assert third == own.fingerprints.tolist()
    document = jobstore.query_one({"uuid": made.uuid}, load=True)["output"]
    kept = document["dataset"]["blob"]
    assert kept is None if root else isinstance(kept, str)
    bare = jobstore.query_one({"uuid": made.uuid}, load=False)
    assert len(json.dumps(bare, default=str)) < 3000
