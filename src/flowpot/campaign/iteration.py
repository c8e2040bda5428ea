"""One turn of the loop as a Flow: label, train, explore, evaluate."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Job

from flowpot.campaign.state import CampaignState, resolve
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import Pointer
from flowpot.labelling import LabellingMaker
from flowpot.randomness import derive_seed
from flowpot.training import CommitteeTrainingMaker

if TYPE_CHECKING:
    from flowpot.campaign.makers import ActiveLearningMaker

_REPORTED: dict[str, dict[str, str]] = {
    "labelling": {
        "n_labelled": "n_labelled",
        "n_failed": "n_failed",
        "seconds": "seconds",
    },
    "training": {"metrics": "metrics", "seconds": "seconds"},
    "exploration": {"halted": "halted", "seconds": "md_seconds"},
    "evaluation": {
        name: name
        for name in (
            "calibration",
            "audit",
            "n_explored",
            "n_over",
            "n_wrecked",
            "n_insane",
            "n_selected",
            "n_audit",
            "seconds",
        )
    },
}
"""Fields of the stages' documents that the loop reads, and nothing else of them."""


@dataclass
class Iteration:
    """
    A turn under construction: each stage adds its jobs and what they will yield.

    Attributes
    ----------
    maker
        The campaign's stages.
    state
        Where the campaign stands before, and as the stages are added, after them.
    jobs
        In order.
    results
        References to the numbers that the loop is to read, per stage.
    """

    maker: "ActiveLearningMaker"
    state: CampaignState
    jobs: list[Flow | Job] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def build(self) -> None:
        """Add the stages that the campaign has and this turn needs."""
        stages = self.maker
        if stages.labelling is not None and self.state.pending is not None:
            self._label(stages.labelling)
        # A committee that the user gave explores first.
        is_given = self.state.iteration == 1 and self.state.committee is not None
        if stages.training is not None and self.state.shards and not is_given:
            self._train(stages.training)
        if stages.exploration is not None and self.state.committee is not None:
            explored = self._explore(stages.exploration)
            if stages.evaluation is not None:
                self._evaluate(stages.evaluation, explored)

    def _label(self, labelling: LabellingMaker) -> None:
        flow = labelling.make(
            resolve(self.state.pending),
            existing=resolve(self.state.shards),
            seed=self._seed("labelling"),
        )
        self._add("labelling", flow)
        shard = Pointer.to(flow.output.dataset)
        self.state = self.state.with_(pending=None, shards=[*self.state.shards, shard])

    def _train(self, training: CommitteeTrainingMaker) -> None:
        flow = training.make(
            resolve(self.state.shards),
            previous=resolve(self.state.committee),
            seed=self._seed("training"),
        )
        self._add("training", flow)
        self.state = self.state.with_(committee=Pointer.to(flow.output))

    def _explore(self, exploration: ExplorationMaker) -> Any:
        flow = exploration.make(
            resolve(self.state.committee),
            resolve(self.state.shards[:1]),
            seed=self._seed("exploration"),
            calibration=resolve(self.state.calibration),
            iteration=self.state.iteration,
        )
        self._add("exploration", flow)
        return flow.output.dataset

    def _evaluate(self, evaluation: EvaluationMaker, explored: Any) -> None:
        if self.maker.tolerance is not None:
            evaluation = replace(evaluation, tolerance=self.maker.tolerance)
        job = evaluation.make(
            resolve(self.state.committee),
            resolve(self.state.shards),
            explored,
            predicted=resolve(self.state.predictions),
            max_labels=self.maker.max_labels,
            seed=self._seed("evaluation"),
        )
        self._add("evaluation", job)
        output = job.output
        self.state = self.state.with_(
            pending=Pointer.to(output.dataset),
            calibration=Pointer.to(output.calibration),
            predictions=[*self.state.predictions, Pointer.to(output.predictions)],
            evidence=[*self.state.evidence, Pointer.to(output.evidence)],
        )

    def _add(self, stage: str, flow: Flow | Job) -> None:
        flow.update_metadata(self.tags | {"stage": stage}, dynamic=True)
        self.jobs.append(flow)
        self.results[stage] = {
            name: getattr(flow.output, attribute)
            for name, attribute in _REPORTED[stage].items()
        }

    @property
    def tags(self) -> dict[str, Any]:
        """Metadata by which this turn's jobs are found in the store."""
        return {
            "campaign": self.maker.name,
            "campaign_uuid": self.state.uuid,
            "iteration": self.state.iteration,
        }

    def _seed(self, stage: str) -> int:
        return derive_seed(self.maker.seed, self.state.iteration, stage)
