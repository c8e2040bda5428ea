"""The campaign: the stages in a loop that the calibrated committee steers."""

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase.data import chemical_symbols
from jobflow import Flow, JobStore, Maker

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.closeness import check_stage_distances
from flowpot.campaign.config import presets
from flowpot.campaign.elements import check_meant
from flowpot.campaign.estimate import DryRun, dry_run
from flowpot.campaign.loop import LoopMaker
from flowpot.campaign.start import Start, is_reference, state_of
from flowpot.campaign.state import CampaignState
from flowpot.campaign.stopping import Limits
from flowpot.dataset import Dataset
from flowpot.evaluation import EvaluationMaker
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.exploration.lammps.convertible import check_convertible
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.training import CommitteeTrainingMaker
from flowpot.training.mace import MACETraining
from flowpot.training.makers import TrainingMaker
from flowpot.validation import boolean, elements, fraction, instance, seed, text, whole

_STAGES: dict[str, type] = {
    "augmentation": AugmentationMaker,
    "labelling": LabellingMaker,
    "training": CommitteeTrainingMaker,
    "exploration": ExplorationMaker,
    "evaluation": EvaluationMaker,
}
_PARTS = (EspressoStaticMaker, TrainingMaker, LammpsMDMaker)
"""Makers that stages have within them."""


def _check_stage(stage: str, maker: Any) -> None:
    """Refuse what is not a Maker, or is that of another stage, or part of one."""
    instance(Maker, **{stage: maker})
    wrong = (*_PARTS, *(kind for name, kind in _STAGES.items() if name != stage))
    if isinstance(maker, wrong):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"{stage} is a {type(maker).__name__}: give a {_STAGES[stage].__name__}"
        )


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
        Acceptable error of ``energy`` (eV/atom), ``forces`` (eV/A), ``stress`` (eV/A^3)
        and, if wanted, ``forces_max`` (of the worst atom's force, eV/A). None: the
        evaluation Maker's own. Where both have one, they have to be the same.
    max_iterations
        Turns of the loop. One in which a stage was lost (killed, or its disk was full)
        is one of them: the next goes on from there. A stage that is lost twice in a
        row, or gives an error, ends the campaign.
    max_labels
        Budget: frames that the labelling engine is sent in the whole campaign, those
        that fail included; labelled frames that the user gives are free. What does not
        fit is drawn at random to be left out, isolated atoms and inputs last, and
        counted. None for no limit.
    max_bad_share, max_over_share
        Convergence: the 95 % upper limit of the share of bad frames among those
        that the committee accepts, by labels of a sample of them (the closing audit);
        and the share of the explored frames that are flagged.
    stop_at_none_over
        Whether a turn without a flagged frame ends the campaign at once, as in
        the AiiDA-TrainsPot paper; otherwise only the audit can tell.
    seed
        From which every job's seed is derived.
    elements
        Symbols of the elements that the settings are meant for: structures and frames
        of others are refused. None: any.

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
    tolerance: dict[str, float] | None = None
    max_iterations: int = 10
    max_labels: int | None = None
    max_bad_share: float = 0.1
    max_over_share: float = 0.05
    stop_at_none_over: bool = False
    seed: int = 0
    elements: list[str] | None = None

    def __post_init__(self) -> None:
        text(name=self.name)
        for stage in _STAGES:
            _check_stage(stage, getattr(self, stage))
        check_stage_distances(self)
        own = getattr(self.evaluation, "tolerance", None)
        if self.tolerance is None:
            self.tolerance = dict(own or default_tolerance())
        check_tolerance(self.tolerance)
        check_committee_of_one(self)
        _ = self.judging  # what it is told has to make sense
        whole(1, max_iterations=self.max_iterations, max_labels=self.max_labels)
        fraction(max_bad_share=self.max_bad_share, max_over_share=self.max_over_share)
        boolean(stop_at_none_over=self.stop_at_none_over)
        seed(seed=self.seed)
        elements(elements=self.elements)

    @classmethod
    def preset(cls, preset: str, /, **changes: Any) -> Self:
        """
        Compose a campaign as one of the paper's runs, or as a quick trial.

        Parameters
        ----------
        preset
            ``smoke``: minutes on a laptop, for any structure. ``carbon-exploration``,
            ``carbon-accuracy``: the paper's runs A and B, for carbon alone. See
            :mod:`flowpot.campaign.config.presets`.
        **changes
            Fields that are to differ from it.

        Examples
        --------
        >>> maker = ActiveLearningMaker.preset("carbon-accuracy", name="diamond")
        >>> maker.exploration.temperatures, maker.max_iterations
        ((0.0, 1000.0), 2)
        """
        return cls(**{**presets.fields_of(preset), **changes})

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
            return self._flow(Start(self, state_of(campaign)))
        self._check_elements(structures, dataset)
        self._check_labels(structures, dataset, committee)
        self.check_options()
        start = Start(self, CampaignState(uuid=str(uuid.uuid4())))
        start.enter(structures, dataset, committee, explored)
        return self._flow(start)

    def _flow(self, start: Start) -> Flow:
        tags = {"campaign": self.name}
        if isinstance(start.state, CampaignState):  # not a reference to one
            tags["campaign_uuid"] = start.state.uuid
        for stage, job in start.jobs.items():
            job.update_metadata(tags | {"stage": stage})
        # The numbers also tell jobflow that the loop comes after these jobs.
        loop = LoopMaker(campaign=self).make(start.state, begun=start.results)
        loop.update_metadata(tags, dynamic=False)
        for job in start.jobs.values():
            job.update_metadata({"campaign_run": loop.uuid})
        return Flow([*start.jobs.values(), loop], output=loop.output, name=self.name)

    def dry_run(
        self,
        structures: Any = None,
        dataset: Any = None,
        committee: Any = None,
        *,
        explored: Any = None,
        store: JobStore | None = None,
    ) -> DryRun:
        """
        Say what the first turn would do and cost: see :func:`flowpot.campaign.dry_run`.

        Parameters
        ----------
        structures, dataset, committee, explored
            As :meth:`make` takes them, references excepted.
        store
            In which completed jobs of the same kinds tell what jobs cost.
        """
        self._check_elements(structures, dataset)
        self.check_options()
        return dry_run(self, structures, dataset, committee, explored, store)

    def check_options(self) -> None:
        """
        Refuse options that the training packages do not have.

        What only a package itself can tell is asked where it is installed: it may be
        on the workers alone.

        Raises
        ------
        ValueError
            Naming the option, and the nearest one that exists.
        """
        engine = getattr(getattr(self.exploration, "md_maker", None), "engine", "")
        for trainer in self._trainers:
            trainer.check_options()
            training = trainer.training()
            options: dict[str, Any] = {}
            if isinstance(training, MACETraining) and not training.foundation_model:
                options = training.options  # a foundation's own are in its file
            check_convertible(engine, training.backend, options)

    @property
    def _trainers(self) -> list[TrainingMaker]:
        trainer = getattr(self.training, "trainer", None)
        trainers = trainer if isinstance(trainer, list) else [trainer]
        return [each for each in trainers if isinstance(each, TrainingMaker)]

    def _check_labels(self, structures: Any, dataset: Any, committee: Any) -> None:
        """Refuse to train on frames that neither have labels nor are given any."""
        if self.labelling is not None or self.training is None:
            return
        given = [each for each in (structures, dataset) if each is not None]
        if committee is not None or not given or any(map(is_reference, given)):
            return
        if not any(len(Dataset.load(each).labelled) for each in given):
            raise ValueError(
                "labelling is None, and no frame that the campaign starts from is "
                "labelled (energy and forces): give labelled frames as dataset, or a "
                "LabellingMaker"
            )

    def _check_elements(self, *frames: Any) -> None:
        """Refuse frames, as far as they are at hand, that this is not meant for."""
        if self.elements is not None:
            for each in frames:
                if each is not None and not is_reference(each):
                    check_meant(Dataset.load(each), self.elements)

    @property
    def judging(self) -> EvaluationMaker | None:
        """
        The evaluation Maker, told what is the campaign's to say.

        Raises
        ------
        ValueError
            Where it has been told otherwise, or decides by what has no tolerance.
        """
        given = self.evaluation
        if not isinstance(given, EvaluationMaker):  # of another kind, or none
            return given
        known = {
            name: getattr(self, name)
            for name in ("tolerance", "max_bad_share", "max_over_share")
        }
        usual = EvaluationMaker()
        for name, value in known.items():
            said = getattr(given, name)
            if said not in (value, getattr(usual, name)):
                raise ValueError(
                    f"{name} is {value}, and the evaluation's {name} is {said}: give "
                    "it once, to the campaign"
                )
        if self.labelling is None:
            known |= {"pilot_labels": 0, "closing_audit": 0}
        elif (limit := getattr(self.labelling, "max_labels", None)) is not None:
            known["pilot_labels"] = min(given.pilot_labels, limit)
            if given.closing_audit > limit:
                raise ValueError(
                    f"the labelling's max_labels is {limit}, and the evaluation's "
                    f"closing_audit {given.closing_audit}: the campaign could never "
                    "end as converged; raise the former, or set closing_audit to 0"
                )
        return replace(given, **known)

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
        for trainer in self._trainers:
            trainer.check()
        md_maker: Any = getattr(self.exploration, "md_maker", None)
        if hasattr(md_maker, "preflight"):
            md_maker.preflight()


def check_committee_of_one(maker: ActiveLearningMaker) -> None:
    """
    Refuse to watch trajectories by the disagreement of a single potential.

    Raises
    ------
    ValueError
        With both fields and the remedy.
    """
    size = getattr(maker.training, "size", None)
    engine = getattr(maker.exploration, "md_maker", None)
    interval = getattr(engine, "check_interval", None)
    if size == 1 and interval is not None:
        raise ValueError(
            f"training.size is 1 and exploration.md_maker.check_interval {interval}: "
            "one potential cannot disagree along a trajectory; set check_interval to "
            "None, or train 2 or more"
        )
