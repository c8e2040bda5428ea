"""Frames as arguments of jobs: by content, unless they are yet to be made."""

from ase.build import bulk
from jobflow import OutputReference

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.portable import portable


def test_frames_at_hand_become_an_artifact(tmp_path):
    silicon = Dataset.from_atoms([bulk("Si")])
    silicon.write(tmp_path / "si.extxyz")
    for source in (silicon, bulk("Si"), tmp_path / "si.extxyz", [bulk("Si")]):
        artifact = portable(source, "frames.h5")
        assert artifact.name == "frames.h5"
        assert Dataset.load(artifact).fingerprints == silicon.fingerprints


def test_references_wait_for_their_jobs():
    reference = OutputReference("a-job").dataset
    assert portable(reference, "frames.h5") is reference
    first, second = portable([reference, bulk("Si")], "frames.h5")
    assert first is reference
    assert isinstance(second, Artifact)


def test_artifacts_are_read_only_to_be_checked():
    artifact = Dataset.from_atoms([bulk("Si"), bulk("Ge")]).to_artifact("two.h5")
    document = {"dataset": artifact.model_dump()}
    assert portable(artifact, "frames.h5") is artifact
    assert portable(document, "frames.h5") is document
    checked = portable(artifact, "frames.h5", lambda frames: Dataset.load(frames)[:1])
    assert len(Dataset.load(checked)) == 1
