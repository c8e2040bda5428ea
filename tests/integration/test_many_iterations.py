"""A hundred turns of a campaign whose stages do nothing: what the loop itself costs."""
# ruff: noqa: ARG002 - the stages honour the interface, and read nothing

import time
from dataclasses import dataclass, field
from statistics import median

import pytest
from ase.build import bulk
from jobflow import Flow, Maker
from monty.json import MontyEncoder

from flowpot import ActiveLearningMaker, Artifact, Campaign, Dataset
from flowpot.campaign import ResumableRun, ensure_indexes
from flowpot.evaluation import Audit, Calibration
from flowpot.evaluation.document import EvaluationDoc
from flowpot.exploration import ExplorationDoc
from flowpot.jobs import stage_job
from flowpot.labelling import LabellingDoc
from flowpot.training.document import CommitteeDoc, PotentialDoc

N = 100


def frames():
    return Dataset.from_atoms([bulk("Cu")]).to_artifact("frames.h5")


@dataclass
class ConstantLabelling(Maker):
    """Gives one labelled frame."""

    name: str = "collect labels"

    def make(self, dataset, existing=None, seed=0):
        job = self.label(dataset, existing)
        return Flow([job], output=job.output)

    @stage_job(LabellingDoc)
    def label(self, dataset, existing):
        return LabellingDoc(
            dataset=frames(),
            n_labelled=1,
            n_computed=1,
            n_sent=1,
            n_failed=0,
            n_duplicates=0,
            n_postponed=0,
            failures=[],
        )


@dataclass
class ConstantTraining(Maker):
    """Gives two models of a kilobyte."""

    name: str = "collect committee"

    @stage_job(CommitteeDoc)
    def make(self, dataset, previous=None, seed=0):
        model = Artifact.from_bytes("a.model", bytes(1000))
        member = PotentialDoc(model=model, backend="mace")
        metrics = {
            name: {"energy": 0.1, "forces": 0.2, "stress": 0.3}
            for name in ("train", "val", "test")
        }
        return CommitteeDoc(
            members=[member, member], metrics=metrics, member_metrics=[metrics] * 2
        )


@dataclass
class ConstantExploration(Maker):
    """Gives one frame."""

    name: str = "collect frames"

    @stage_job(ExplorationDoc)
    def make(self, committee, dataset, *, seed=0, calibration=None, iteration=0):
        return ExplorationDoc(
            dataset=frames(), n_frames=1, n_sampled=1, n_runs=1, n_failed=0, n_steps=1
        )


@dataclass
class ConstantEvaluation(Maker):
    """Always selects one frame."""

    name: str = "evaluate committee"

    @stage_job(EvaluationDoc)
    def make(self, committee, labelled, explored, **options):
        fit = Calibration(
            slope=0.5,
            slope_interval=(0.4, 0.6),
            r2=0.9,
            rank_correlation=0.9,
            tolerance=0.1,
            threshold=0.05,
            n=50,
            effective_n=50.0,
            trusted=True,
        )
        return EvaluationDoc(
            calibration=dict.fromkeys(("energy", "forces", "stress"), fit),
            audit=Audit(),
            n_explored=1,
            n_over=1,
            n_wrecked=0,
            n_insane=0,
            n_known=0,
            n_selected=1,
            n_audit=0,
            n_pilot=0,
            dataset=frames(),
            predictions=frames(),
            evidence=Artifact.from_bytes("evidence.npz", bytes(1000)),
        )


@dataclass
class Meter:
    """Notes the size of each job as it is stored, and when each turn began."""

    sizes: dict = field(default_factory=dict)
    began: dict = field(default_factory=dict)

    def watch(self, event, job, _):
        turn = job.metadata.get("iteration")
        if event == "started" and turn is not None:
            self.began.setdefault(turn, time.perf_counter())
            size = len(MontyEncoder().encode(job))
            self.sizes.setdefault(turn, {})[job.name] = size

    def seconds(self, first, last):
        turns = range(first, last)
        return median(self.began[i + 1] - self.began[i] for i in turns)


@pytest.fixture
def jobstore(open_mongo_store):
    """A JobStore in MongoDB, with the indexes that jobflow-remote gives it."""
    store = open_mongo_store()
    ensure_indexes(store)
    store.additional_stores["data"].ensure_index("blob_uuid")
    return store


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_they_are_all_alike(jobstore, clean_dir):
    """
    No output grows; inputs, by a line for each turn that was.

    What a turn leaves to the next is a line in each of three lists of pointers. Stages
    that read all labels have a reference to each shard, and jobflow resolves one after
    the other: that is what a late turn takes longer for (printed).
    """
    maker = ActiveLearningMaker(
        name="long",
        augmentation=None,
        labelling=ConstantLabelling(),
        training=ConstantTraining(),
        exploration=ConstantExploration(),
        evaluation=ConstantEvaluation(),
        tolerance=None,
        max_iterations=N,
    )
    meter = Meter()
    run = ResumableRun(clean_dir / "run", jobstore, meter.watch)
    flow = run.run(maker.make([bulk("Cu")]))
    campaign = Campaign.from_store(jobstore, flow.output.uuid)
    assert len(campaign.doc.iterations) == N, campaign.doc.stop_reason

    outputs = sizes_of_outputs(jobstore)
    for name, by_turn in outputs.items():
        assert by_turn[N - 1] <= 1.02 * by_turn[2], name
    early, late = meter.sizes[2], meter.sizes[N - 1]
    growth = {name: (late[name] - early[name]) / (N - 3) for name in early}
    print(f"bytes per turn: {growth}; turn 2: {early}; turn {N - 1}: {late}")  # noqa: T201
    assert growth["record iteration"] < 50
    assert growth["active learning"] < 300
    assert max(growth.values()) < 600
    seconds = [meter.seconds(first, first + 8) for first in (2, N - 10)]
    print(f"seconds per turn: {seconds[0]:.3f} at first, {seconds[1]:.3f} at last")  # noqa: T201


def sizes_of_outputs(jobstore):
    """Bytes of each turn's last output without blobs, by job name."""
    found = {}
    for document in jobstore.query(load=False, sort={"index": 1}):
        turn = document["metadata"].get("iteration")
        if turn is not None and document["name"] != "active learning":
            size = len(MontyEncoder().encode(document["output"]))
            found.setdefault(document["name"], {})[turn] = size
    return found
