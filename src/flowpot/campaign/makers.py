"""The campaign: the stages in a loop that the calibrated committee steers."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from jobflow import Flow, Job, Maker, Response

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.iteration import Iteration
from flowpot.campaign.start import starting_state
from flowpot.campaign.state import CampaignState, resolve
from flowpot.campaign.stopping import Limits, Stop, decide
from flowpot.dataset import Dataset
from flowpot.documents import package_versions
from flowpot.evaluation import EvaluationMaker
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import continue_with, deciding_job, with_references
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
        Budget of labelled frames; None for no limit.
    max_bad_share, max_over_share
        Convergence: the 95 % upper limit of the share of bad frames among those
        that the committee accepts, by audit; and the share of the explored frames
        over threshold.
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
        self, structures: Any = None, dataset: Any = None, committee: Any = None
    ) -> Flow:
        """
        Start a campaign from structures, from a dataset or from a committee.

        Parameters
        ----------
        structures
            pymatgen Structures or Molecules, or ASE Atoms: augmented first.
        dataset
            Frames, labelled or not, in anything that ``Dataset.load`` takes.
        committee
            CommitteeDoc (or a reference to one) that explores first.

        Returns
        -------
        Flow
            Its output becomes a :class:`CampaignDoc`.

        Raises
        ------
        ValueError
            If there is nothing to start from, or no stage to use it.
        """
        campaign_uuid = str(uuid.uuid4())
        jobs, state = starting_state(
            self, campaign_uuid, structures, dataset, committee
        )
        # The numbers also tell jobflow that the loop comes after these jobs.
        begun = {job.metadata["stage"]: {"seconds": job.output.seconds} for job in jobs}
        loop = LoopMaker(campaign=self).make(state, begun)
        loop.update_metadata(
            {"campaign": self.name, "campaign_uuid": campaign_uuid}, dynamic=False
        )
        return Flow([*jobs, loop], output=loop.output, name=self.name)

    @property
    def limits(self) -> Limits:
        """What ends this campaign."""
        return Limits(
            max_iterations=self.max_iterations,
            max_labels=self.max_labels,
            max_bad_share=self.max_bad_share,
            max_over_share=self.max_over_share,
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
    def make(self, state: CampaignState, results: dict[str, Any]) -> Response:
        """
        Take in the results of the last turn and decide.

        Parameters
        ----------
        state
            Where the campaign stands.
        results
            Numbers of the last turn's stages; before the first turn, of the
            augmentation.
        """
        stop = _stage_failure(results)
        if state.iteration > 0:
            last = summarise(state, results)
            state = state.with_(history=[*state.history, last.model_dump(mode="json")])
            stop = stop or self._end(last)
        if stop is not None:
            return Response(output=self._conclude(state, stop))
        return self._next_turn(state)

    def _end(self, last: IterationDoc) -> Stop | None:
        if last.calibration is None:
            return Stop(
                "completed", "completed: the campaign has no further stage to run"
            )
        return decide(last, self.campaign.limits)

    def _next_turn(self, state: CampaignState) -> Response:
        turn = Iteration(self.campaign, state.with_(iteration=state.iteration + 1))
        turn.build()
        following: Job = self.make(turn.state, turn.results)
        following.update_metadata(turn.tags, dynamic=False)
        return continue_with(turn.jobs, following, CampaignDoc)

    def _conclude(self, state: CampaignState, stop: Stop) -> dict[str, Any]:
        document = CampaignDoc(
            name=self.campaign.name,
            uuid=state.uuid,
            seed=self.campaign.seed,
            stop_kind=stop.kind,
            stop_reason=stop.reason,
            iterations=[IterationDoc(**turn) for turn in state.history],
            seconds=sum(sum(turn["seconds"].values()) for turn in state.history),
            versions=package_versions("jobflow", "atomate2"),
        )
        return with_references(
            document,
            dataset=resolve(state.shards),
            committee=resolve(state.committee),
            unlabelled=resolve(state.pending),
            evidence=resolve(state.evidence),
        )


def summarise(state: CampaignState, results: dict[str, Any]) -> IterationDoc:
    """Put the numbers of a turn's stages into one document."""
    labelling = results.get("labelling", {})
    training = results.get("training", {})
    exploration = results.get("exploration", {})
    evaluation = {
        name: value
        for name, value in results.get("evaluation", {}).items()
        if name != "seconds"
    }
    before = state.history[-1]["n_dataset"] if state.history else 0
    return IterationDoc(
        iteration=state.iteration,
        n_labelled=labelling.get("n_labelled"),
        n_failed=labelling.get("n_failed"),
        n_dataset=before + (labelling.get("n_labelled") or 0),
        metrics=training.get("metrics"),
        halted=exploration.get("halted"),
        seconds={stage: found["seconds"] or 0.0 for stage, found in results.items()},
        **evaluation,
    )


def _stage_failure(results: dict[str, Any]) -> Stop | None:
    """Name the first stage whose document never came."""
    for stage, numbers in results.items():
        if numbers["seconds"] is None:
            return Stop(
                "failed",
                f"failed: the {stage} stage ended without a result; the error is in "
                f"the log and the folder of its job",
            )
    return None
