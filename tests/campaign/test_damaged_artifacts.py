"""Artifacts that are damaged or gone are named, and the campaign goes on."""
# ruff: noqa: ARG002 - the stages honour the interface

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from ase.build import bulk
from jobflow import run_locally

import trivial_campaign
from flowpot import Campaign, ExplorationMaker
from flowpot.dataset import Artifact, Dataset
from flowpot.documents import recorded
from flowpot.jobs import stage_job
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker
from flowpot.training.document import CommitteeDoc


@dataclass
class ReadingTraining(trivial_campaign.ConstantTraining):
    """Reads what it would train on, in one iteration after harming the newest shard."""

    harm: str = ""

    @stage_job(CommitteeDoc)
    @recorded(CommitteeDoc)
    def make(self, dataset, previous=None, seed=0):
        if self.harm and len(dataset) == 2:
            harm(dataset[-1], self.harm)
        Dataset.load(dataset)
        return trivial_campaign.committee()


def harm(artifact: Artifact, how: str) -> None:
    path = Path(urlparse(artifact.uri).path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(bytes(content))


@pytest.fixture
def root(clean_dir, monkeypatch):
    """A folder where artifacts are kept."""
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(clean_dir / "root"))
    return clean_dir / "root"


def run(maker, jobstore, **given):
    flow = maker.make(**given)
    run_locally(flow, store=jobstore, log=False)
    return Campaign.from_store(jobstore, flow.output.uuid)


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_shard_is_named_and_the_campaign_goes_on(how, root, jobstore):
    maker = trivial_campaign.trivial_campaign(3)
    undisturbed = run(maker, jobstore, structures=[bulk("Cu")]).dataset()

    maker.training = ReadingTraining(harm=how)
    stopped = run(maker, jobstore, structures=[bulk("Cu")])
    assert stopped.doc.stop_kind == "failed"
    shard = stopped.doc.dataset[-1]
    assert "the training stage ended without a result" in stopped.stop_reason
    assert shard.uri in stopped.stop_reason
    assert "restore it" in stopped.stop_reason

    # Who has the right bytes at hand puts them back by storing them.
    content = trivial_campaign.frame(1).read_bytes()
    assert Artifact.from_bytes(shard.name, content).uri == shard.uri
    maker.training = ReadingTraining()
    maker.max_iterations += 1  # the one that failed counts
    ended = run(maker, jobstore, campaign=stopped)
    assert ended.doc.stop_kind == "max_iterations"
    assert np.array_equal(ended.dataset().fingerprints, undisturbed.fingerprints)


def failure_of(flow, jobstore):
    """Run a stage as a campaign does; say why it has no result."""
    flow.update_metadata({"campaign": "one"}, dynamic=True)
    run_locally(flow, store=jobstore, log=False)
    return jobstore.get_output(flow.output.uuid)["failure"]


def test_training_names_the_shard(root, jobstore):
    shard = Dataset.from_atoms([bulk("Si")] * 3).to_artifact("labels.h5")
    harm(shard, "changed")
    trainer = MACETrainingMaker.small()
    flow = CommitteeTrainingMaker(trainer=trainer, size=2, members_per_job=2).make(
        [shard]
    )
    failure = failure_of(flow, jobstore)
    assert shard.uri in failure
    assert "member 1" in failure


def test_exploration_names_the_model(root, jobstore):
    models = [Artifact.from_bytes(f"{i}.model", bytes(100 + i)) for i in range(2)]
    harm(models[0], "gone")
    harm(models[1], "changed")
    flow = ExplorationMaker(n_starts=2).make(models, Dataset.from_atoms([bulk("Si")]))
    failure = failure_of(flow, jobstore)
    assert any(model.uri in failure for model in models)
