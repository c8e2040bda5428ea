"""What the first iteration would do, and cost, before any engine starts."""

from collections import Counter
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import JobStore, Maker
from pydantic import BaseModel, Field

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.costs import (
    Costs,
    dynamics_hours,
    labelling_cost,
    training_hours,
)
from flowpot.campaign.planned import PlannedStage, planned_validation
from flowpot.campaign.pretraining import free_labelling
from flowpot.campaign.record import FREE_LABELS, PRETRAINING
from flowpot.campaign.stages import CampaignStages
from flowpot.dataset import Dataset
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.labelling import LabellingMaker
from flowpot.labelling.calculators import missing_here
from flowpot.labelling.planning import plan_labels
from flowpot.labelling.static_makers import doubts_of
from flowpot.properties import ValidationMaker
from flowpot.randomness import derive_seed
from flowpot.training import CommitteeTrainingMaker

_SMALL_CELL = 64  # atoms up to which batches are clearly faster
_WORTH_BATCHING = 4  # trajectories from which on batches are faster


class DryRun(BaseModel):
    """The first iteration of a campaign, as planned."""

    name: str
    stages: list[PlannedStage] = Field(default_factory=list)
    config_types: dict[str, int] = Field(
        default_factory=dict, description="frames to label, by their kind"
    )
    refused: list[str] = Field(
        default_factory=list, description="why frames would not be labelled"
    )
    basis: str = Field(description="what the estimate of core-hours is based on")

    @property
    def core_hours(self) -> float | None:
        """Core-hours of all stages; None if one has no estimate."""
        hours = [stage.core_hours for stage in self.stages if stage.n_jobs]
        return None if None in hours else float(sum(h or 0.0 for h in hours))


def dry_run(
    campaign: CampaignStages,
    structures: Any = None,
    dataset: Any = None,
    committee: Any = None,
    explored: Any = None,
    store: JobStore | str | Path | None = None,
) -> DryRun:
    """
    Plan the first iteration: the augmentation runs, no engine does.

    Parameters
    ----------
    campaign
        The campaign: an ActiveLearningMaker.
    structures, dataset, committee, explored
        As :meth:`flowpot.ActiveLearningMaker.make` takes them.
    store
        JobStore, or its path, whose completed jobs of the same kinds tell what jobs
        cost.

    Notes
    -----
    The frames are those that the campaign would make: its seeds are used. Costs are
    medians over completed jobs: of a label in proportion to atoms and k-points, of a
    training to frames and members, of molecular dynamics to steps. Where there are no
    such jobs they are those of a rough model (`flowpot.campaign.costs`). Stages of
    other packages are named, with one job and no cost: what follows them is planned as
    if they left the frames as they are.
    """
    costs = Costs.from_store(store)
    plan = DryRun(name=campaign.name, basis=costs.basis)
    frames = everything = _inputs(campaign, structures, dataset, plan)
    labelling, training = campaign.labelling, campaign.training
    if isinstance(labelling, LabellingMaker):
        limits = (campaign.max_labels, labelling.max_labels)
        least = min((n for n in limits if n is not None), default=None)
        labelling = replace(labelling, max_labels=least)
        seed = derive_seed(campaign.seed, 1, "labelling")
        frames = _labelling(labelling, frames, seed, plan, costs)
    else:
        plan.stages += _unplanned(labelling=labelling)
    if isinstance(training, CommitteeTrainingMaker):
        size, driver = training.size, _trainers(training)[0]
        if committee is None:
            plan.stages += _pretraining(campaign, everything, len(frames), costs)
            plan.stages.append(_training(training, frames, costs))
    else:
        size, driver = 1, None
        plan.stages += _unplanned(training=training if committee is None else None)
    sampled = {}
    if explored is not None:
        sampled = _size(Dataset.load(explored))
    elif isinstance(campaign.exploration, ExplorationMaker):
        seed = derive_seed(campaign.seed, 1, "exploration")
        explores = _exploration(campaign.exploration, frames, seed, size, costs, driver)
        plan.stages.append(explores)
        sampled = explores.model_dump(include={"n_frames", "n_atoms"})
    else:
        plan.stages += _unplanned(exploration=campaign.exploration)
    if isinstance(campaign.evaluation, EvaluationMaker) and sampled:
        plan.stages.append(
            PlannedStage(stage="evaluation", n_jobs=1, core_hours=0.0, **sampled)
        )
    elif sampled or campaign.exploration is not None:
        plan.stages += _unplanned(evaluation=campaign.evaluation)
    if isinstance(campaign.validator, ValidationMaker):
        plan.stages.append(
            planned_validation(campaign, structures, size, costs, driver)
        )
    else:
        plan.stages += _unplanned(validation=campaign.validator)
    return plan


def _unplanned(**stages: Maker | None) -> list[PlannedStage]:
    """Announce stages of which a campaign knows no more than that they have a job."""
    return [
        PlannedStage(
            stage=name,
            n_jobs=1,
            core_hours=None,
            note=f"at least one job; what else {type(maker).__name__} does and costs "
            "is not known here",
        )
        for name, maker in stages.items()
        if maker is not None
    ]


def _inputs(
    campaign: CampaignStages, structures: Any, dataset: Any, plan: DryRun
) -> Dataset:
    """Return the frames that the first iteration begins with."""
    parts = []
    augmentation = campaign.augmentation
    if structures is not None and isinstance(augmentation, AugmentationMaker):
        seed = derive_seed(campaign.seed, "augmentation")
        augment = AugmentationMaker.augment.original
        parts.append(Dataset.load(augment(augmentation, structures, seed=seed)))
        size = _size(parts[0])
        plan.stages.append(
            PlannedStage(stage="augmentation", n_jobs=1, core_hours=0.0, **size)
        )
    elif structures is not None:
        plan.stages += _unplanned(augmentation=augmentation)
        parts.append(Dataset.load(structures))
    if dataset is not None:
        parts.append(Dataset.load(dataset))
    return Dataset.concatenate(parts)


def _labelling(
    stage: LabellingMaker, frames: Dataset, seed: int, plan: DryRun, costs: Costs
) -> Dataset:
    """Plan the labels as the stage does; return the frames that would have one."""
    labels = plan_labels(
        frames,
        frames[:0],
        stage.problem_of,
        max_labels=stage.max_labels,
        seed=seed,
    )
    chosen = labels.frames[labels.to_label]
    n_kpoints, hours = labelling_cost(stage.static_maker, chosen, costs)
    notes = [f"{cut} frames beyond max_labels"] if (cut := labels.n_postponed) else []
    if stage.noise_frames:
        notes.append(f"{stage.noise_frames} more, refined, are not in the estimate")
    notes += doubts_of(stage.static_maker, chosen)
    notes += missing_here(stage.static_maker)
    planned = PlannedStage(
        stage="labelling",
        n_jobs=ceil(len(chosen) / stage.batch_size) + 2,
        n_kpoints=n_kpoints,
        core_hours=hours,
        note="; ".join(notes),
        **_size(chosen),
    )
    plan.stages.append(planned)
    kinds = chosen.column("config_type")
    plan.config_types = dict(Counter(str(kind or "none") for kind in kinds))
    plan.refused = [failure.reason for failure in labels.failures]
    known = np.flatnonzero(labels.frames.is_labelled)
    return labels.frames[np.union1d(labels.to_label, known)]


def _pretraining(
    campaign: CampaignStages, frames: Dataset, n_labelled: int, costs: Costs
) -> list[PlannedStage]:
    """Plan the labels of `pretrain_with`, and the committee that is trained on them."""
    if campaign.pretrain_with is None:
        return []
    stage, training = free_labelling(campaign), campaign.training
    assert isinstance(training, CommitteeTrainingMaker)
    labels = plan_labels(
        frames.without_labels(),
        frames[:0],
        stage.problem_of,
        max_labels=stage.max_labels,
    )
    chosen = labels.frames[labels.to_label]
    notes = ["by pretrain_with; they count as no labels, and as no core-hours here"]
    if n_labelled >= len(chosen):
        notes.append(
            "the labelling stage labels all of these frames, too, and little is "
            "gained: augment more, or set labelling.max_labels"
        )
    notes += missing_here(stage.static_maker)
    planned = PlannedStage(
        stage=FREE_LABELS,
        n_jobs=ceil(len(chosen) / stage.batch_size) + 3,
        core_hours=0.0,
        note="; ".join(notes),
        **_size(chosen),
    )
    trained = _training(training, chosen, costs)
    return [planned, trained.model_copy(update={"stage": PRETRAINING})]


def _training(
    stage: CommitteeTrainingMaker, frames: Dataset, costs: Costs
) -> PlannedStage:
    return PlannedStage(
        stage="training",
        n_jobs=ceil(stage.size / stage.members_per_job) + 1,
        core_hours=_first_known(
            costs.training(len(frames), stage.size),
            training_hours(_trainers(stage), int(frames.n_atoms.sum())),
        ),
        note=f"{stage.size} members",
        **_size(frames),
    )


def _trainers(stage: CommitteeTrainingMaker) -> list[Any]:
    """Return the trainer of each member."""
    trainers = stage.trainer if isinstance(stage.trainer, list) else [stage.trainer]
    return [trainers[number % len(trainers)] for number in range(stage.size)]


def _first_known(hours: float | None, rough: float) -> float:
    """Return what completed jobs tell, and else what a rough model does."""
    return rough if hours is None else hours


def _exploration(
    stage: ExplorationMaker,
    frames: Dataset,
    seed: int,
    n_members: int,
    costs: Costs,
    driver: Any,
) -> PlannedStage:
    """Count trajectories, and the frames that they would give if none is halted."""
    stage = stage.at(1)
    by_member = stage.trajectories(frames, n_members, seed)
    starts = [start for runs in by_member.values() for start, _ in runs]
    n_runs, n_atoms = len(starts), frames.n_atoms[starts]
    steps = stage.md_maker.n_steps
    n_frames = n_runs * (
        (steps - stage.equilibration) // stage.md_maker.sample_interval
    )
    return PlannedStage(
        stage="exploration",
        n_jobs=stage.n_jobs(n_runs) + 2,
        n_frames=n_frames,
        n_atoms=round(n_frames * float(n_atoms.mean())),
        core_hours=_first_known(
            costs.dynamics(n_runs * steps),
            dynamics_hours(driver, n_runs * steps, float(n_atoms.mean())),
        ),
        note=f"{n_runs} trajectories of {steps} steps",
        hint=_faster_engine(stage.md_maker, n_runs, n_atoms),
    )


def _faster_engine(md_maker: Any, n_runs: int, n_atoms: np.ndarray) -> str:
    """
    Suggest a faster engine, by the measurements of ``tests/benchmarks``; "" for none.

    What another package's engine can do is not known.
    """
    plain = (
        isinstance(md_maker, LammpsMDMaker)
        and md_maker.engine == "python"
        and md_maker.dispersion is None
        and not md_maker.extra
    )
    if not plain or n_runs < _WORTH_BATCHING or n_atoms.mean() > _SMALL_CELL:
        return ""
    return (
        f"exploration: {n_runs} trajectories of {n_atoms.mean():.0f} atoms would be "
        "faster side by side, with `md_maker: BatchedMDMaker`"
    )


def _size(frames: Dataset) -> dict[str, int]:
    return {"n_frames": len(frames), "n_atoms": int(frames.n_atoms.sum())}
