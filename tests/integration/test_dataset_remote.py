"""Datasets pass between jobflow-remote's jobs, inline and by URI."""

import numpy as np
import pytest
from jobflow import Flow, Job
from jobflow_remote import submit_flow
from jobflow_remote.jobs.runner import Runner

from flowpot import AugmentationMaker, Dataset
from flowpot.augmentation import Distortions
from flowpot.dataset import assign_splits
from flowpot.jobs import BLOB_KEY

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("inline", [True, False])
def test_datasets_between_remote_jobs(
    inline, remote_project, silicon, tmp_path, monkeypatch
):
    root = tmp_path / "artifacts"
    if not inline:
        # The workers, local processes, inherit it.
        monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(root))
    frames = [silicon.copy() for _ in range(10)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed)
    given = Dataset.from_atoms(frames)
    maker = AugmentationMaker(
        supercell=None,
        distortion=Distortions(n_frames=3, fraction=0.1, strain=(-0.03, 0.05)),
        clusters=None,
        slabs=None,
    )
    split = Job(assign_splits, function_args=(given,), data=BLOB_KEY)
    first = maker.make(split.output)
    second = maker.make(first.output)
    submit_flow(Flow([split, first, second]), worker="main")
    Runner().run_all_jobs(max_seconds=200)

    for info in remote_project.get_job_controller().get_jobs_info():
        assert info.error is None, info.error
    with remote_project.get_jobstore() as store:
        parted, made, last = (
            Dataset.load(store.get_output(each.uuid, load=True))
            for each in (split, first, second)
        )
        documents = list(store.query(load=False))
    assert np.array_equal(parted.fingerprints, given.fingerprints)
    assert set(parted.info["split"]) == {"train", "val", "test"}
    assert set(made.fingerprints) <= set(last.fingerprints)
    stored = {path.stem for path in root.rglob("*.h5")}
    assert len(stored) == (0 if inline else 4)  # given, split, and both made of it
    assert len(documents) == 3
    for document in documents:
        output = document["output"]
        held = output["dataset"] if "dataset" in output else output["artifact"]
        assert (held["uri"] is None) == inline
