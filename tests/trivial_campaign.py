"""A campaign whose stages do next to nothing: what is seen of it is the loop's."""
# ruff: noqa: ARG002 - the stages honour the interface, and read nothing

from dataclasses import dataclass

import numpy as np
from ase.build import bulk
from jobflow import Flow, Maker, run_locally

from flowpot import ActiveLearningMaker, Artifact, Campaign, Dataset
from flowpot.evaluation import Audit, Calibration, ErrorModel, audit
from flowpot.evaluation.document import EvaluationDoc
from flowpot.exploration import ExplorationDoc
from flowpot.jobs import stage_job
from flowpot.labelling import LabellingDoc
from flowpot.training.document import CommitteeDoc, PotentialDoc


def frame(number=0):
    """Copper, each number with a lattice constant of its own."""
    atoms = bulk("Cu", a=3.6 + 0.001 * number)
    return Dataset.from_atoms([atoms]).to_artifact("frame.h5")


@dataclass
class ConstantLabelling(Maker):
    """Gives one frame, another one each time."""

    name: str = "collect labels"

    def make(self, dataset, existing=None, seed=0):
        job = self.label(dataset, existing)
        return Flow([job], output=job.output)

    @stage_job(LabellingDoc)
    def label(self, dataset, existing):
        return LabellingDoc(
            dataset=frame(len(Dataset.load(existing))),
            n_labelled=1,
            n_computed=1,
            n_sent=1,
            n_failed=0,
            n_duplicates=0,
            n_postponed=0,
            failures=[],
        )


def committee():
    """Two models of a kilobyte."""
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
class ConstantTraining(Maker):
    """Gives two models of a kilobyte."""

    name: str = "collect committee"

    @stage_job(CommitteeDoc)
    def make(self, dataset, previous=None, seed=0):
        return committee()


@dataclass
class ConstantExploration(Maker):
    """Gives one frame."""

    name: str = "collect frames"

    @stage_job(ExplorationDoc)
    def make(self, committee, dataset, *, seed=0, calibration=None, iteration=0):
        return ExplorationDoc(
            dataset=frame(), n_frames=1, n_sampled=1, n_runs=1, n_failed=0, n_steps=1
        )


def fit():
    """Return a calibration that can be trusted."""
    return Calibration(
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


def evaluation(**numbers):
    """Return the document of an evaluation that left nothing out."""
    return EvaluationDoc(
        **dict.fromkeys(("n_wrecked", "n_insane", "n_known", "n_audit", "n_pilot"), 0),
        dataset=frame(),
        predictions=frame(),
        **numbers,
    )


@dataclass
class ConstantEvaluation(Maker):
    """Always selects one frame."""

    name: str = "evaluate committee"

    @stage_job(EvaluationDoc)
    def make(self, committee, labelled, explored, **options):
        return evaluation(
            calibration=dict.fromkeys(("energy", "forces", "stress"), fit()),
            audit=Audit(),
            n_explored=1,
            n_over=1,
            n_selected=1,
            evidence=Artifact.from_bytes("evidence.npz", bytes(1000)),
        )


@dataclass
class ConvergedEvaluation(ConstantEvaluation):
    """Finds the forces converged, by a closing audit, and chooses no frame."""

    @stage_job(EvaluationDoc)
    def make(self, committee, labelled, explored, **options):
        right = np.zeros(30)
        calibration = fit().model_copy(
            update={"error_model": ErrorModel.line({"spread": 1.0}, 2.0)}
        )
        return evaluation(
            calibration={"stress": calibration},
            audit=audit({"forces": right}, {"forces": 0.1}),
            n_explored=30,
            n_over=0,
            n_selected=0,
            evidence=frame(),
        )


def trivial_campaign(n_iterations):
    """Make the campaign: a frame an iteration."""
    return ActiveLearningMaker(
        name="trivial",
        augmentation=None,
        labelling=ConstantLabelling(),
        training=ConstantTraining(),
        exploration=ConstantExploration(),
        evaluation=ConstantEvaluation(),
        tolerance=None,
        max_iterations=n_iterations,
    )


def run_trivial_campaign(jobstore, n_iterations, **given):
    """Run the campaign from what is given, or from copper, in this process."""
    given = given or {"structures": [bulk("Cu")]}
    flow = trivial_campaign(n_iterations).make(**given)
    run_locally(flow, store=jobstore, log=False)
    return Campaign.from_store(jobstore, flow.output.uuid)
