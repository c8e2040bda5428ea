"""The campaign: the stages in a loop that the calibrated committee steers."""

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from jobflow import CURRENT_JOB, Flow, Job, Maker, OutputReference, Response

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.iteration import Iteration
from flowpot.campaign.record import Results, summarise
from flowpot.campaign.start import Start, state_of
from flowpot.campaign.state import CampaignState, Changes, resolve
from flowpot.campaign.stopping import (
    Limits,
    Stop,
    decide,
    exhausted,
    failure_of,
    stage_failure,
)
from flowpot.dataset import Dataset
from flowpot.documents import package_versions
from flowpot.evaluation import EvaluationMaker
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import (
    Pointer,
    continue_with,
    deciding_job,
    stage_job,
    with_references,
)
from flowpot.labelling import LabellingMaker
from flowpot.training import CommitteeTrainingMaker


@dataclass
class ActiveLearningMaker(Maker):
    """
    Train a committee of potentials by active learning.

    Parameters
    ----------
    name
        Of the campaign, by which it is found again in the store.
    augmentation, labelling, training, exploration, evaluation
        The stages' Makers; None skips a stage for the whole campaign.
    tolerance
        Acceptable error of ``energy`` (eV/atom), ``forces`` (eV/A) and ``stress``
        (eV/A^3). None leaves the evaluation Maker's own.
    max_iterations
        Turns of the loop.
    max_labels
        Budget: frames that the labelling engine is sent in the whole campaign, those
        that fail included; labelled frames that the user gives are free. What does not
        fit is drawn at random to be left out, isolated atoms and inputs last, and
        counted. None for no limit.
    max_bad_share, max_over_share
        Convergence: the 95 % upper limit of the share of bad frames among those
        that the committee accepts, by audit; and the share of the explored frames
        over threshold.
    stop_at_none_over
        Whether a turn without a frame over threshold ends the campaign at once, as in
        the AiiDA-TrainsPot paper; otherwise only the audit can tell.
    seed
        From which every job's seed is derived.

    Examples
    --------
    >>> from ase.build import bulk
    >>> campaign = ActiveLearningMaker(name="silicon", max_iterations=2)
    >>> flow = campaign.make([bulk("Si")])
    >>> [job.name for job in flow.jobs]
    ['augment', 'active learning']
    """

    name: str = "active learning"
    augmentation: AugmentationMaker | None = field(default_factory=AugmentationMaker)
    labelling: LabellingMaker | None = field(default_factory=LabellingMaker)
    training: CommitteeTrainingMaker | None = field(
        default_factory=CommitteeTrainingMaker
    )
    exploration: ExplorationMaker | None = field(default_factory=ExplorationMaker)
    evaluation: EvaluationMaker | None = field(default_factory=EvaluationMaker)
    tolerance: dict[str, float] | None = field(default_factory=default_tolerance)
    max_iterations: int = 10
    max_labels: int | None = None
    max_bad_share: float = 0.1
    max_over_share: float = 0.05
    stop_at_none_over: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tolerance is not None:
            check_tolerance(self.tolerance)
        if self.max_iterations < 1:
            raise ValueError(f"max_iterations is {self.max_iterations}: use 1 or more")
        if self.max_labels is not None and self.max_labels < 1:
            raise ValueError(
                f"max_labels is {self.max_labels}: use 1 or more, or None for no limit"
            )

    def make(
        self,
        structures: Any = None,
        dataset: Any = None,
        committee: Any = None,
        *,
        explored: Any = None,
        campaign: Any = None,
    ) -> Flow:
        """
        Start a campaign at any stage, or continue one.

        Each argument may also be a reference to another job's output.

        Parameters
        ----------
        structures
            pymatgen Structures or Molecules, or ASE Atoms: augmented first.
        dataset
            Frames, labelled or not, in anything that ``Dataset.load`` takes.
        committee
            CommitteeDoc, or a list of PotentialDocs, models or their files: it is
            not trained before it has explored once.
        explored
            Frames to be judged: instead of the first turn's exploration, or of every
            turn's where `exploration` is None.
        campaign
            CampaignDoc or Campaign of one that has ended, in the same JobStore: it
            goes on, under its uuid, where it ended, or before the stage that failed,
            with this Maker's stages, tolerances and limits. Its iterations count.
            Nothing else is to be given.

        Returns
        -------
        Flow
            Its output becomes a :class:`CampaignDoc`.

        Raises
        ------
        ValueError
            If there is nothing to start from, or no stage to use it.
        """
        if campaign is not None:
            given = (structures, dataset, committee, explored)
            if any(each is not None for each in given):
                raise ValueError(
                    "campaign is given, and so is something else to start from: a "
                    "campaign goes on with what it has; give either"
                )
            return self._flow(state_of(campaign), {})
        start = Start(self, CampaignState(uuid=str(uuid.uuid4())))
        start.enter(structures, dataset, committee, explored)
        return self._flow(start.state, start.jobs)

    def _flow(
        self, state: CampaignState | OutputReference, jobs: dict[str, Job]
    ) -> Flow:
        tags = {"campaign": self.name}
        if isinstance(state, CampaignState):
            tags["campaign_uuid"] = state.uuid
        for stage, job in jobs.items():
            job.update_metadata(tags | {"stage": stage})
        # The numbers also tell jobflow that the loop comes after these jobs.
        begun = {
            stage: {"seconds": job.output.seconds, "failure": job.output.failure}
            for stage, job in jobs.items()
        }
        loop = LoopMaker(campaign=self).make(state, begun=begun)
        loop.update_metadata(tags, dynamic=False)
        return Flow([*jobs.values(), loop], output=loop.output, name=self.name)

    @property
    def limits(self) -> Limits:
        """What ends this campaign."""
        return Limits(
            max_iterations=self.max_iterations,
            max_labels=self.max_labels,
            max_bad_share=self.max_bad_share,
            max_over_share=self.max_over_share,
            stop_at_none_over=self.stop_at_none_over,
        )

    def preflight(self, structures: Any, folder: Path | str = ".") -> None:
        """
        Check that this machine can run the campaign, before any engine starts.

        For the machine that runs the jobs; each job checks for itself once more.

        Parameters
        ----------
        structures
            What the campaign starts from.
        folder
            Where it is going to run.

        Raises
        ------
        Exception
            What the stages' own checks raise: each names the remedy.
        """
        if self.labelling is not None:
            engine = self.labelling.static_maker
            if hasattr(engine, "preflight"):
                numbers = np.unique(Dataset.load(structures).numbers)
                engine.preflight([chemical_symbols[z] for z in numbers], folder)
        if self.training is not None:
            trainer = self.training.trainer
            for each in trainer if isinstance(trainer, list) else [trainer]:
                each.check()


@dataclass
class LoopMaker(Maker):
    """
    The job between two turns: end the campaign, or append the next turn's jobs.

    Parameters
    ----------
    name
        Of the job: workers are chosen by it, so it is the same in every campaign.
    campaign
        The configuration.
    """

    name: str = "active learning"
    campaign: ActiveLearningMaker = field(default_factory=ActiveLearningMaker)

    @deciding_job
    def make(
        self,
        state: CampaignState,
        changes: Changes | None = None,
        last: IterationDoc | None = None,
        begun: Results | None = None,
    ) -> Response:
        """
        Take in the results of the last turn and decide.

        Parameters
        ----------
        state
            Where the campaign stood before the last turn.
        changes
            What the turn's stages change in it. None before the first turn.
        last
            The turn in numbers; None if its record failed.
        begun
            Numbers of the jobs before the first turn.
        """
        if changes is None:
            stop = stage_failure(begun or {}) or exhausted(
                state.iteration, state.n_sent, self.campaign.limits
            )
        elif last is None:
            stop = Stop("failed", "failed: the record of the iteration is missing")
        else:
            stop = self._end(last)
            state = _advanced(state, changes, last)
        return self._next_turn(state) if stop is None else self._stop(state, stop)

    def _end(self, last: IterationDoc) -> Stop | None:
        if last.failed_stage is not None:
            return failure_of(last.failed_stage, last.failure)
        if last.calibration is None:
            return Stop(
                "completed", "completed: the campaign has no further stage to run"
            )
        stop = decide(last, self.campaign.limits)
        if stop is None and self.campaign.labelling is None:
            return Stop(
                "completed",
                f"completed: {last.n_chosen} of {last.n_explored} explored frames are "
                "chosen, and the campaign has no stage to label them",
            )
        return stop

    def _next_turn(self, state: CampaignState) -> Response:
        state = replace(state, iteration=state.iteration + 1)
        turn = Iteration(self.campaign, state)
        turn.build()
        record = record_iteration(
            state.iteration, state.n_dataset, state.n_sent, turn.results
        )
        record.name = "record iteration"
        record.update_metadata(turn.tags, dynamic=False)
        before = replace(state, records=[*state.records, Pointer.to(record.output)])
        following: Job = self.make(before, turn.changes, record.output)
        following.update_metadata(turn.tags, dynamic=False)
        return continue_with([*turn.jobs, record], following, CampaignDoc)

    def _stop(self, state: CampaignState, stop: Stop) -> Response:
        """Leave the last document to a job that reads the turns' records."""
        last: Job = self.conclude(state, stop, resolve(state.records))
        last.name = self.name
        last.update_metadata(CURRENT_JOB.job.metadata, dynamic=False)
        return continue_with([], last, CampaignDoc)

    @deciding_job
    def conclude(
        self, state: CampaignState, stop: Stop, iterations: list[IterationDoc | None]
    ) -> dict[str, Any]:
        """Write the campaign's document."""
        turns = [turn for turn in iterations if turn is not None]
        document = CampaignDoc(
            name=self.campaign.name,
            uuid=state.uuid,
            seed=self.campaign.seed,
            stop_kind=stop.kind,
            stop_reason=stop.reason,
            iterations=turns,
            seconds=sum(sum(turn.seconds.values()) for turn in turns),
            versions=package_versions("jobflow", "atomate2"),
        )
        return with_references(
            document,
            dataset=resolve(state.shards),
            committee=resolve(state.committee),
            unlabelled=resolve(state.pending),
            evidence=resolve(state.evidence),
            state=state,
        )


@stage_job(IterationDoc, tolerant=True)
def record_iteration(
    iteration: int, n_dataset: int, n_sent: int, results: Results
) -> IterationDoc:
    """Keep the numbers of a turn: see :func:`summarise`."""
    return summarise(iteration, n_dataset, n_sent, results)


def _advanced(
    state: CampaignState, changes: Changes, last: IterationDoc
) -> CampaignState:
    """Give the state after a turn."""
    state = state.after(changes, last.failed_stage)
    if last.failed_stage is None and last.n_chosen == 0:
        state = replace(state, pending=None)
    return replace(state, n_dataset=last.n_dataset, n_sent=last.n_sent_total)
