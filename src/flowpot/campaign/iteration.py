"""One turn of the loop as a Flow: label, train, explore, evaluate."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Job, Maker, OutputReference

from flowpot.campaign.state import CampaignState, resolve
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import Pointer
from flowpot.labelling import LabellingMaker
from flowpot.randomness import derive_seed
from flowpot.training import CommitteeTrainingMaker

if TYPE_CHECKING:
    from flowpot.campaign.makers import ActiveLearningMaker

REPORTED: dict[str, dict[str, str]] = {
    "labelling": {
        name: name
        for name in ("n_labelled", "n_failed", "n_sent", "n_postponed", "seconds")
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
            "n_pilot",
            "n_closing",
            "fresh_error",
            "warnings",
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
    is_pilot
        Whether these are a later part of a turn: a pilot or a closing audit is
        labelled, and the same frames are evaluated again.
    jobs
        In order.
    results
        References to the numbers that the loop is to read, per stage.
    changes
        What each stage changes in the state, if it succeeds.
    """

    maker: "ActiveLearningMaker"
    state: CampaignState
    is_pilot: bool = False
    jobs: list[Flow | Job] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def build(self) -> None:
        """Add the stages that the campaign has and this turn needs."""
        stages = self.maker
        if stages.labelling is not None and self.state.pending is not None:
            self._label(stages.labelling)
        if stages.training is not None and self.state.shards and not self.state.trained:
            self._train(stages.training)
        if self.state.committee is None:
            return
        explored = None
        if self.state.explored is not None:
            explored = resolve(self.state.explored)
        elif stages.exploration is not None:
            explored = self._explore(stages.exploration)
        if (judging := stages.judging) is not None and explored is not None:
            self._evaluate(judging, explored)

    def _label(self, labelling: LabellingMaker) -> None:
        if self.maker.max_labels is not None:
            left = self.maker.max_labels - self.state.n_sent
            own = left if labelling.max_labels is None else labelling.max_labels
            labelling = replace(labelling, max_labels=min(own, left))
        flow = labelling.make(
            resolve(self.state.pending),
            existing=resolve(self.state.shards),
            seed=self._seed("pilot" if self.is_pilot else "labelling"),
        )
        shard = Pointer.to(flow.output.dataset)
        self._add("labelling", flow, pending=None, shards=shard)

    def _train(self, training: CommitteeTrainingMaker) -> None:
        flow = training.make(
            resolve(self.state.shards),
            previous=resolve(self.state.committee),
            seed=self._seed("training"),
        )
        self._add("training", flow, committee=Pointer.to(flow.output))

    def _explore(self, exploration: ExplorationMaker) -> Any:
        starts = self.state.starts or self.state.pending
        if self.state.shards and _starts_from_labelled(
            exploration, self.state.iteration
        ):
            starts = self.state.shards
        flow = exploration.make(
            resolve(self.state.committee),
            resolve(starts),
            seed=self._seed("exploration"),
            calibration=resolve(self.state.calibration),
            iteration=self.state.iteration,
        )
        frames = flow.output.dataset
        self._add("exploration", flow, explored=Pointer.to(frames))
        return frames

    def _evaluate(self, evaluation: EvaluationMaker, explored: Any) -> None:
        job = evaluation.make(
            resolve(self.state.committee),
            resolve(self.state.shards),
            explored,
            predicted=resolve(self.state.predictions),
            previous=resolve(self.state.calibration),
            max_labels=self.maker.max_labels,
            spent=self.sent,
            seed=self._seed("evaluation"),
            iteration=self.state.iteration,
        )
        output = _bare(job.output)
        again = None if self.maker.exploration is not None else self.state.explored
        self._add(
            "evaluation",
            job,
            pending=Pointer.to(output.dataset),
            calibration=Pointer.to(output.calibration),
            predictions=Pointer.to(output.predictions),
            explored=again,
        )

    def _add(self, stage: str, flow: Flow | Job, **changes: Any) -> None:
        """Add a stage's jobs, and what they change: a value for a list is added."""
        flow.update_metadata(self.tags | {"stage": stage}, dynamic=True)
        self.jobs.append(flow)
        reported = REPORTED[stage] | {"failure": "failure"}
        output = _bare(flow.output)
        self.results[stage] = {"job": output.uuid} | {
            name: getattr(output, attribute) for name, attribute in reported.items()
        }
        self.changes[stage] = changes
        self.state = self.state.with_(**changes)

    @property
    def sent(self) -> list[Any]:
        """Frames sent to the labelling engine: before this turn, and in it."""
        found = (result.get("n_sent") for result in self.results.values())
        return [self.state.n_sent, *(n for n in found if n is not None)]

    @property
    def tags(self) -> dict[str, Any]:
        """Metadata by which this turn's jobs are found in the store."""
        return {
            "campaign": self.maker.name,
            **self.state.tags,
            "iteration": self.state.iteration,
        }

    def _seed(self, stage: str) -> int:
        return derive_seed(self.maker.seed, self.state.iteration, stage)


def _starts_from_labelled(exploration: Maker, iteration: int) -> bool:
    """Whether frames that were labelled since the start are to be started from."""
    if not isinstance(exploration, ExplorationMaker):  # others know no schedule
        return False
    return exploration.at(iteration).start_from == "labelled"


def _bare(output: OutputReference) -> OutputReference:
    """Leave out the schema: jobflow would write it down anew for every attribute."""
    return OutputReference(output.uuid, attributes=output.attributes)
