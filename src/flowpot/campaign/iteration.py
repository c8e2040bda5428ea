"""One iteration of the loop as jobs: label, train, explore, evaluate."""

from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import Flow, Job, OutputReference

from flowpot.campaign.pretraining import align_free_labels, free_labelling
from flowpot.campaign.record import FREE_LABELS, PRETRAINING, REPORTED, VALIDATION
from flowpot.campaign.roles import RESULTS
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.state import CampaignState, resolve
from flowpot.campaign.validation import (
    audited_by_labels,
    expected_references,
    judge_properties,
    validator_of,
)
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import JobName, Pointer, jobs_of, set_role
from flowpot.labelling import LabellingMaker
from flowpot.randomness import derive_seed
from flowpot.training import CommitteeTrainingMaker


@dataclass
class Iteration:
    """
    An iteration under construction: each stage adds its jobs and what they will yield.

    Attributes
    ----------
    campaign
        The campaign's stages and limits.
    state
        Where the campaign stands before, and as stages are added, after them.
    is_pilot
        Whether this is a later part of an iteration: a pilot or a closing audit is
        labelled, and the same explored frames are evaluated again.
    jobs
        Its jobs, in order.
    results
        References to the numbers that the loop is to read, by stage.
    changes
        What each stage changes in the state, if it succeeds.
    """

    campaign: CampaignStages
    state: CampaignState
    is_pilot: bool = False
    jobs: list[Flow | Job] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def build(self) -> None:
        """Add the stages that the campaign has and this iteration needs."""
        stages = self.campaign
        frames = self._free_frames()
        if stages.labelling is not None and self.state.pending is not None:
            self._label(stages.labelling, frames)
        if stages.training is not None and self.state.shards and not self.state.trained:
            if frames:
                self._pretrain(stages.training, frames)
            self._train(stages.training)
        if self.state.committee is None:
            return
        explored = None
        if self.state.explored is not None:
            explored = resolve(self.state.explored)
        elif stages.exploration is not None:
            explored = self._explore(stages.exploration)
        evaluation = stages.configured_evaluation
        if evaluation is not None and explored is not None:
            self._evaluate(evaluation, explored)

    def _free_frames(self) -> list[Any]:
        """Return what pretraining labels: all frames that there are; none after it."""
        if self.campaign.pretrain_with is None or self.state.pretrained is not None:
            return []
        if self.state.free_frames is not None:
            return list(self.state.free_frames)
        pending = self.state.pending
        more = pending if isinstance(pending, list) else [pending]
        return [*self.state.shards, *(frames for frames in more if frames is not None)]

    def _label(self, labelling: LabellingMaker, free_frames: list[Any]) -> None:
        if self.campaign.max_labels is not None:
            left = self.campaign.max_labels - self.state.n_sent
            limit = left if labelling.max_labels is None else labelling.max_labels
            labelling = replace(labelling, max_labels=min(limit, left))
        flow = labelling.make(
            resolve(self.state.pending),
            existing=resolve(self.state.shards),
            seed=self._seed("pilot" if self.is_pilot else "labelling"),
        )
        shard = Pointer.to(flow.output.dataset)
        noise = {}
        if getattr(labelling, "noise_frames", 0) and not self.state.shards:
            noise = {"noise": Pointer.to(flow.output.noise)}
        kept = {"free_frames": free_frames} if free_frames else {}
        self._add("labelling", flow, pending=None, shards=shard, **noise, **kept)

    def _pretrain(self, training: CommitteeTrainingMaker, frames: list[Any]) -> None:
        """Train a committee on labels of `pretrain_with`, made where they are not."""
        if self.state.free_labels is None:
            seed = self._seed(FREE_LABELS)
            flow = free_labelling(self.campaign).make(resolve(frames), seed=seed)
            labels, shards = _without_schema(flow.output), resolve(self.state.shards)
            align = align_free_labels(labels, shards, seed)
            align.name = JobName.ALIGN_LABELS.value
            aligned = Pointer.to(align.output.dataset)
            flow = Flow([flow, align], output=align.output)
            self._add(FREE_LABELS, flow, free_labels=aligned)
        flow = training.make(
            resolve(self.state.free_labels), seed=self._seed(PRETRAINING)
        )
        committee = Pointer.to(flow.output)
        self._add(PRETRAINING, flow, pretrained=committee, free_frames=None)

    def _train(self, training: CommitteeTrainingMaker) -> None:
        start = {}
        if self.state.pretrained is not None:
            start = {"pretrained": resolve(self.state.pretrained)}
        flow = training.make(
            resolve(self.state.shards),
            previous=resolve(self.state.committee),
            seed=self._seed("training"),
            **start,
        )
        self._add("training", flow, committee=Pointer.to(flow.output))

    def _explore(self, exploration: ExplorationMaker) -> Any:
        starts = self.state.starts or self.state.pending
        if isinstance(exploration, ExplorationMaker):  # others know no schedule
            change = exploration.at(self.state.iteration)
            if self.state.shards and change.start_from == "labelled":
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
        # What the labelling stage would leave out would count as failed labels.
        at_once = getattr(self.campaign.labelling, "max_labels", None)
        most = {} if at_once is None else {"max_at_once": at_once}
        job = evaluation.make(
            resolve(self.state.committee),
            resolve(self.state.shards),
            explored,
            predicted=resolve(self.state.predictions),
            previous=resolve(self.state.calibration),
            max_labels=self.campaign.max_labels,
            spent=self.sent,
            seed=self._seed("evaluation"),
            iteration=self.state.iteration,
            **most,
        )
        output = _without_schema(job.output)
        again = None if self.campaign.exploration is not None else self.state.explored
        self._add(
            "evaluation",
            job,
            pending=Pointer.to(output.dataset),
            calibration=Pointer.to(output.calibration),
            predictions=Pointer.to(output.predictions),
            explored=again,
        )

    def validate(self) -> None:
        """
        Add the properties of this iteration's committee, and what judges them.

        The state stays as it is: the loop decides what becomes of the frames.
        """
        stages, evaluated = self.campaign, self.state.calibration
        given = {"calibration": resolve(evaluated)}
        if isinstance(stages.evaluation, EvaluationMaker) and evaluated is not None:
            at = Pointer(evaluated.uuid, (("a", "uncertainties"),))
            given["uncertainties"] = resolve(at)
        own = getattr(stages.validator, "structures", None)
        crystals = None if own is not None else resolve(self.state.crystals)
        flow = validator_of(stages, self.state.n_sent).make(
            resolve(self.state.committee), crystals, **given
        )
        judge = judge_properties(
            _without_schema(flow.output),
            stages.property_tolerance,
            resolve(self.state.pending),
            audited=list(expected_references(stages)),
            same_labels=bool(audited_by_labels(stages)),
        )
        judge.name = JobName.JUDGE_PROPERTIES.value
        self._add(VALIDATION, Flow([flow, judge], output=judge.output))

    def _add(self, stage: str, flow: Flow | Job, **changes: Any) -> None:
        """Add a stage's jobs, and what they change: a pointer for a list is added."""
        flow.update_metadata(self.tags | {"stage": stage}, dynamic=True)
        self.jobs.append(flow)
        reported = REPORTED[stage] | {"failure": "failure"}
        output = _without_schema(flow.output)
        for job in jobs_of(flow):
            set_role(job, RESULTS[stage] if job.uuid == output.uuid else None)
        self.results[stage] = {"job": output.uuid} | {
            name: getattr(output, attribute) for name, attribute in reported.items()
        }
        self.changes[stage] = changes
        self.state = self.state.with_(**changes)

    @property
    def sent(self) -> list[Any]:
        """Numbers of frames sent to the engine: before this iteration, and in it."""
        sent = [results.get("n_sent") for results in self.results.values()]
        return [self.state.n_sent, *(number for number in sent if number is not None)]

    @property
    def tags(self) -> dict[str, Any]:
        """Metadata by which this iteration's jobs are found in the store."""
        return {
            "campaign": self.campaign.name,
            **self.state.tags,
            "iteration": self.state.iteration,
        }

    def _seed(self, stage: str) -> int:
        return derive_seed(self.campaign.seed, self.state.iteration, stage)


def _without_schema(output: OutputReference) -> OutputReference:
    """Leave out the schema: jobflow would write it down anew for every attribute."""
    return OutputReference(output.uuid, attributes=output.attributes)
