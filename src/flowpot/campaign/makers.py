"""The campaign: the stages in a loop that the calibrated committee steers."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase.data import chemical_symbols
from jobflow import Flow, JobStore, Maker

from flowpot.campaign.checks import (
    check_elements,
    check_first_sets,
    check_labels,
    warn_of_labels,
)
from flowpot.campaign.config import presets
from flowpot.campaign.estimate import DryRun, dry_run
from flowpot.campaign.inputs import check_not_empty, committee_of, is_reference
from flowpot.campaign.loop import LoopMaker
from flowpot.campaign.pretraining import check_labeller, check_start
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.start import Start, state_of
from flowpot.campaign.state import CampaignState
from flowpot.campaign.trainable import Supply, check_committee, check_trainable
from flowpot.dataset import Dataset
from flowpot.exploration.lammps.potential import check_convertible, has_needs
from flowpot.jobs import TaggedFlow
from flowpot.labelling.calculators import check_calculator
from flowpot.labelling.static_makers import ChecksMachine
from flowpot.training import TrainingMaker
from flowpot.training.mace import MACETraining


@dataclass
class ActiveLearningMaker(CampaignStages, Maker):
    """
    Train a committee of potentials by active learning.

    Parameters
    ----------
    name
        Name of the campaign, by which it is found again in the store.
    augmentation, labelling, training, exploration, evaluation
        The stages' Makers; None skips a stage for the whole campaign.
    tolerance
        Acceptable error of ``energy`` (eV/atom), ``forces`` (eV/A), ``stress`` (eV/A^3)
        and, if wanted, ``forces_max`` (of the worst atom's force, eV/A). None: the
        evaluation Maker's own. Where both have one, they have to be the same.
    max_iterations
        Most iterations of the loop. One in which a stage was lost (killed, or its disk
        was full) counts: the next goes on from there. A stage that is lost twice in a
        row, or raises an error, ends the campaign.
    max_labels
        Budget: frames that the labelling engine is sent in the whole campaign, those
        that fail included; labelled frames that the user gives are free. Where there
        are more, those left out are drawn at random, isolated atoms and inputs last,
        and counted. None for no limit.
    max_bad_share, max_over_share
        Convergence: the 95 % upper limit of the share of bad frames among those
        that the committee accepts, by labels of a sample of them (the closing audit);
        and the share of the explored frames that are flagged.
    stop_at_none_over
        Whether an iteration without a flagged frame ends the campaign at once, as in
        the AiiDA-TrainsPot paper; otherwise only the audit can tell.
    seed
        Seed from which every job's own is derived.
    elements
        Symbols of the elements that the settings are meant for: structures and frames
        of others are refused. None: any.
    validator
        Calculates properties where an iteration would end as converged: the campaign
        then goes on if one of them is not known well enough, and labels the distorted
        cells that it was calculated from. Of the structures that the campaign begins
        with those are validated that are crystals, if the Maker has no `structures` of
        its own. What decides is also calculated by the labelling stage (strained cells,
        and for phonons displaced supercells, which may cost a lot), unless the Maker
        has a `reference_maker` or names less in `reference_properties`: the members may
        agree and be wrong.
    property_tolerance
        Largest relative error of a property, by the names of quantities, such as
        ``{"bulk_modulus": 0.05, "C44": 0.1}``: of the half-width of its 95 % interval,
        and of its difference from the reference calculation.
    pretrain_with
        Labels frames for next to nothing: a Maker of single frames, such as atomate2's
        ForceFieldStaticMaker, or a LabellingMaker with one. All frames that the
        campaign begins with, those beyond ``labelling.max_labels`` included, are
        labelled by it; a committee is trained on these labels, shifted to the energies
        of the real ones; and in every iteration the members start from its weights,
        each from its own, where they would start from fresh ones. Its labels are no
        part of the dataset, the test set, the calibration or the budget. It may pay
        where the labelling stage labels very few frames. None: no pretraining.

    Examples
    --------
    >>> from ase.build import bulk
    >>> campaign = ActiveLearningMaker(name="silicon", max_iterations=2)
    >>> flow = campaign.make([bulk("Si")])
    >>> [job.name for job in flow.jobs]
    ['augment', 'active learning']
    """

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
            Fields that differ from the preset.

        Raises
        ------
        ValueError
            If there is no such preset.

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
            Frames to evaluate: instead of the first iteration's exploration, or of
            every iteration's where `exploration` is None.
        campaign
            CampaignDoc or Campaign of one that has ended, in the same JobStore. It
            goes on under its uuid, from its end or before the stage that failed, with
            this Maker's stages, tolerances and limits. Its iterations count. No other
            argument may be given with it.

        Returns
        -------
        Flow
            Its output becomes a :class:`CampaignDoc`.

        Raises
        ------
        ValueError
            If there is nothing to start from, no stage to use it, or an element that
            the trainings or the committee cannot have.
        """
        if campaign is not None:
            others = (structures, dataset, committee, explored)
            if any(argument is not None for argument in others):
                raise ValueError(
                    "campaign is given, and so is something else to start from: a "
                    "campaign goes on with what it has; give either"
                )
            return self._flow(Start(self, state_of(campaign)))
        at_hand = self._at_hand(structures, dataset, committee, explored)
        if committee is not None and self.pretrain_with is not None:
            raise ValueError(
                "pretrain_with is given, and so is a committee, which is trained "
                "already: give either"
            )
        labellers = {
            "labelling.static_maker": getattr(self.labelling, "static_maker", None),
            "pretrain_with": self.pretrain_with,
            "validator.reference_maker": getattr(
                self.validator, "reference_maker", None
            ),
        }
        warn_of_labels(labellers, *at_hand)
        trains = self.training is not None and committee is None
        if trains and self.labelling is None:
            check_labels(*at_hand)
        if trains and dataset is None:
            check_first_sets(
                self.max_labels, self.labelling, self.augmentation, at_hand[0]
            )
        committee = self._checked(*at_hand, committee, explored)
        start = Start(self, CampaignState(uuid=str(uuid.uuid4())))
        start.enter(structures, dataset, committee, explored)
        return self._flow(start)

    def _flow(self, start: Start) -> Flow:
        """Join the jobs that come first and the loop's first job."""
        tags = {"campaign": self.name}
        if isinstance(start.state, CampaignState):  # not a reference to one
            tags["campaign_uuid"] = start.state.uuid
        for stage, job in start.jobs.items():
            job.update_metadata(tags | {"stage": stage})
        # Reading their results, the loop comes after these jobs also for jobflow.
        loop = LoopMaker(campaign=self).make(start.state, begun=start.results)
        loop.update_metadata(tags, dynamic=False)
        for job in start.jobs.values():
            job.update_metadata({"campaign_run": loop.uuid})
        jobs = [*start.jobs.values(), loop]
        return TaggedFlow(jobs, output=loop.output, name=self.name)

    def dry_run(
        self,
        structures: Any = None,
        dataset: Any = None,
        committee: Any = None,
        *,
        explored: Any = None,
        store: JobStore | str | Path | None = None,
    ) -> DryRun:
        """
        Plan the first iteration and its cost: see :func:`flowpot.campaign.dry_run`.

        Parameters
        ----------
        structures, dataset, committee, explored
            As :meth:`make` takes them, references excepted.
        store
            JobStore, or its path, whose completed jobs of the same kinds tell what
            jobs cost.
        """
        at_hand = self._at_hand(structures, dataset, committee, explored)
        committee = self._checked(*at_hand, committee, explored)
        return dry_run(self, structures, dataset, committee, explored, store)

    def _at_hand(
        self, structures: Any, dataset: Any, committee: Any, explored: Any
    ) -> tuple[Any, Any]:
        """Return structures and dataset, read once for all checks; not references."""
        check_not_empty(
            structures=structures,
            dataset=dataset,
            committee=committee,
            explored=explored,
        )
        structures, dataset = (
            given if given is None or is_reference(given) else Dataset.load(given)
            for given in (structures, dataset)
        )
        check_elements(self.elements, structures, dataset)
        return structures, dataset

    def _checked(
        self, structures: Any, dataset: Any, committee: Any, explored: Any
    ) -> Any:
        """Refuse what cannot be run or trained; return the committee, read once."""
        self.check_options()
        supply = Supply.of(self.augmentation, self.labelling, structures, dataset)
        check_trainable(self._trainers, supply, self.augmentation)
        if committee is not None and not is_reference(committee):
            committee = committee_of(committee)
            check_committee(
                committee, structures=structures, dataset=dataset, explored=explored
            )
        return committee

    def check_options(self) -> None:
        """
        Refuse options that the training packages do not have.

        What only a package itself can tell is checked where it is installed: it may be
        on the workers alone.

        Raises
        ------
        ValueError
            Naming the option, and the nearest one that exists.
        """
        engine = getattr(getattr(self.exploration, "md_maker", None), "engine", "")
        for trainer in self._trainers:
            trainer.check_options()
            if self.pretrain_with is not None:
                check_start(trainer)
            options, foundation = {}, trainer.foundation_model
            if isinstance(trainer, MACETraining) and has_needs(engine):
                options = trainer.model_options()
            check_convertible(engine, trainer.backend, options, foundation)

    @property
    def _trainers(self) -> list[TrainingMaker]:
        trainer = getattr(self.training, "trainer", None)
        trainers = trainer if isinstance(trainer, list) else [trainer]
        return [maker for maker in trainers if isinstance(maker, TrainingMaker)]

    def preflight(self, structures: Any, folder: Path | str = ".") -> None:
        """
        Check that this machine can run the campaign, before any engine starts.

        For the machine that runs the jobs; each job checks for itself once more.

        Parameters
        ----------
        structures
            What the campaign starts from.
        folder
            Folder in which it is going to run.

        Raises
        ------
        Exception
            What the stages' own checks raise: each names the remedy.
        """
        static_maker = getattr(self.labelling, "static_maker", None)
        if isinstance(static_maker, ChecksMachine):
            numbers = np.unique(Dataset.load(structures).numbers)
            static_maker.preflight([chemical_symbols[z] for z in numbers], folder)
        reference = getattr(self.validator, "reference_maker", None)
        check_calculator(
            **{
                "labelling.static_maker": static_maker,
                "validator.reference_maker": reference,
            }
        )
        if self.pretrain_with is not None:
            check_labeller(self.pretrain_with, Dataset.load(structures))
        for trainer in self._trainers:
            trainer.check()
        md_maker: Any = getattr(self.exploration, "md_maker", None)
        if hasattr(md_maker, "preflight"):
            md_maker.preflight()
