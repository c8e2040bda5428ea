"""Artifacts pass from job to job, whatever the store."""

import json
import uuid

import bson
import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, JobStore, Response, job, run_locally
from maggma.stores import MemoryStore, MongoURIStore, MontyStore
from maggma.stores.gridfs import GridFSURIStore
from pydantic import BaseModel, ValidationError

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
    if root is None:
        with pytest.raises(ValidationError, match="load=True"):
            FramesDoc.model_validate(bare["output"])


@stage_job(FramesDoc)
def label(index):
    """One labelled shard: 2,000 frames of 100 atoms."""
    rng = np.random.default_rng(index)
    n, atoms = 2000, 200_000
    shard = Dataset(
        numbers=np.full(atoms, 14),
        positions=rng.random((atoms, 3)) * 12,
        cell=np.tile(12 * np.eye(3), (n, 1, 1)),
        pbc=np.ones((n, 3), bool),
        offsets=np.arange(n + 1) * 100,
        energy=rng.normal(size=n),
        forces=rng.normal(size=(atoms, 3)),
        stress=np.zeros((n, 3, 3)),
    )
    return FramesDoc(dataset=shard.to_artifact(f"shard-{index}.h5"), n_frames=n)


@job
def count(shards):
    """What training does with a campaign's shards: read them all."""
    return {"n_frames": len(Dataset.load(shards))}


@job
def iterate(shards, left):
    """A campaign's loop: label what is new, train on everything, go on."""
    new = label(left)
    shards = [*shards, new.output.dataset]
    jobs = [new, count(shards)]
    if left > 1:
        jobs.append(iterate(shards, left - 1))
    return Response(replace=Flow(jobs, output=jobs[-1].output))


@pytest.mark.slow
@pytest.mark.parametrize("inline", [True, False])
def test_twenty_thousand_frames(inline, gridfs, tmp_path, monkeypatch, record_property):
    """No document grows with the dataset, and no shard is written twice."""
    if not inline:
        monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path / "root"))
    first = iterate([], 10)
    run_locally(first, store=gridfs, ensure_success=True)

    documents = list(gridfs.query(load=False))
    counts = [doc["output"]["n_frames"] for doc in documents if doc["name"] == "count"]
    assert sorted(counts) == list(range(2000, 20001, 2000))
    largest = max(len(bson.encode(document)) for document in documents)
    blobs = list(gridfs.additional_stores["data"].query())
    files = [path for path in tmp_path.rglob("*.h5") if path.is_file()]
    record_property("largest document (bytes)", largest)
    assert largest < 100_000
    assert (len(blobs), len(files)) == ((10, 0) if inline else (0, 10))
