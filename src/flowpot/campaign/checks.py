"""What a campaign refuses before any job runs: stages that do not fit together."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from jobflow import Maker

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.inputs import is_reference, left_out
from flowpot.dataset import Dataset
from flowpot.dataset.geometry.closeness import (
    accepted_distance,
    check_handed_on,
    made_distance,
)
from flowpot.dataset.sets import SETS
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker, MDMaker
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.labelling.static_makers import Doubtful, min_distance_of
from flowpot.properties.options import check_property_tolerance
from flowpot.training import CommitteeTrainingMaker, TrainingMaker
from flowpot.validation import instance

STAGE_MAKERS: dict[str, type] = {
    "augmentation": AugmentationMaker,
    "labelling": LabellingMaker,
    "training": CommitteeTrainingMaker,
    "exploration": ExplorationMaker,
    "evaluation": EvaluationMaker,
}
"""The stages in their order, and flowpot's Maker of each; others may take its place."""

_PARTS = (EspressoStaticMaker, TrainingMaker, MDMaker)
"""Makers that stages hold as one of their fields."""


def check_stage(stage: str, maker: Any) -> None:
    """
    Refuse what is no Maker, the Maker of another stage, or a part of a stage.

    Raises
    ------
    ValueError
        Naming the stage and the Maker that it needs.
    """
    instance(Maker, **{stage: maker})
    others = [kind for name, kind in STAGE_MAKERS.items() if name != stage]
    if isinstance(maker, (*_PARTS, *others)):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"{stage} is a {type(maker).__name__}: give a "
            f"{STAGE_MAKERS[stage].__name__}"
        )


def check_distances(
    augmentation: Any, labelling: Any, exploration: Any, evaluation: Any
) -> None:
    """
    Refuse stages that would make frames which the next stage does not accept.

    Parameters
    ----------
    augmentation, labelling, exploration, evaluation
        The stages' Makers. None, and other packages' Makers without such limits, are
        left out.

    Raises
    ------
    ValueError
        With both fields, their values and the remedy.
    """
    limits: dict[str, tuple[str, float]] = {}
    if hasattr(augmentation, "min_distance"):
        made = made_distance(augmentation.min_distance)
        limits["augmentation"] = "augmentation.min_distance", made
    if hasattr(labelling, "min_distance"):
        limit = labelling.min_distance
        of_engine = min_distance_of(labelling.static_maker)
        engine = "static_maker." if of_engine == limit else ""
        limits["labelling"] = f"labelling.{engine}min_distance_fraction", limit
    sanity: Any = getattr(getattr(exploration, "md_maker", None), "limits", None)
    if hasattr(sanity, "contact"):
        contact = accepted_distance(sanity.contact)
        limits["exploration"] = "exploration.md_maker.limits.contact", contact
    if hasattr(evaluation, "rules"):
        accepted = accepted_distance(evaluation.rules.min_distance)
        limits["evaluation"] = "evaluation.rules.min_distance", accepted
    for maker, taker in (
        ("augmentation", "labelling"),
        ("exploration", "evaluation"),
        ("evaluation", "labelling"),
    ):
        if maker in limits and taker in limits:
            check_handed_on(limits[maker], limits[taker])


def check_committee_of_one(training: Any, exploration: Any) -> None:
    """
    Refuse to watch trajectories by the disagreement of a single potential.

    Raises
    ------
    ValueError
        With both fields and the remedy.
    """
    size = getattr(training, "size", None)
    engine = getattr(exploration, "md_maker", None)
    interval = getattr(engine, "check_interval", None)
    if size == 1 and interval is not None:
        raise ValueError(
            f"training.size is 1 and exploration.md_maker.check_interval {interval}: "
            "one potential cannot disagree along a trajectory; set check_interval to "
            "None, or train 2 or more"
        )


def check_budget(max_labels: int | None, labelling: Any) -> None:
    """
    Refuse a budget of labels that a campaign's labelling stage cannot keep.

    Raises
    ------
    ValueError
        With the remedy.
    """
    if None not in (max_labels, labelling) and not hasattr(labelling, "max_labels"):
        raise ValueError(
            f"max_labels is {max_labels}, and labelling, a {type(labelling).__name__}, "
            "has no field max_labels to be limited by: leave it out (None), or give a "
            "LabellingMaker"
        )


def check_first_sets(
    max_labels: int | None, labelling: Any, augmentation: Any, structures: Any
) -> None:
    """
    Refuse a budget that fills no training, validation and test set of structures.

    Isolated atoms are labelled first, and go into none of the three.

    Raises
    ------
    ValueError
        Naming the budget and its least value.
    """
    limits = {
        "max_labels": max_labels,
        "labelling.max_labels": getattr(labelling, "max_labels", None),
    }
    if labelling is None or structures is None or is_reference(structures):
        return
    least = len(SETS)
    if isinstance(augmentation, AugmentationMaker) and augmentation.isolated_atoms:
        least += len(np.unique(Dataset.load(structures).numbers))
    for name, limit in limits.items():
        if limit is not None and limit < least:
            raise ValueError(
                f"{name} is {limit}, and a training needs {least} labels at least "
                f"(isolated atoms, and a frame each for {', '.join(SETS)}): raise it, "
                "or set training to None"
            )


def check_validation(
    validator: Any, tolerance: dict[str, float] | None, evaluation: Any
) -> None:
    """
    Refuse tolerances of properties that nothing decides by, and the reverse.

    Raises
    ------
    ValueError
        Naming the fields and the remedy.
    """
    if validator is None and tolerance is None:
        return
    if validator is None:
        raise ValueError(
            f"property_tolerance is {tolerance}, and there is no validator to "
            "calculate it: give one, such as ValidationMaker(properties=('eos',))"
        )
    instance(Maker, validator=validator)
    if isinstance(validator, (*_PARTS, *STAGE_MAKERS.values())):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"validator is a {type(validator).__name__}: give a ValidationMaker"
        )
    if not tolerance:
        raise ValueError(
            f"validator is given, and property_tolerance is {tolerance}: name what has "
            "to be known and how well, as in {'bulk_modulus': 0.05}; without, use "
            "`flowpot validate` once the campaign has ended"
        )
    check_property_tolerance(tolerance, getattr(validator, "properties", None))
    if evaluation is None:
        raise ValueError(
            "validator is given, and evaluation is None: without an evaluation no "
            "campaign converges; give an EvaluationMaker, or leave the validator out"
        )


def check_pretraining(labeller: Any, training: Any) -> None:
    """
    Refuse labellers that label no frames, and trainings that start from no weights.

    Raises
    ------
    ValueError
        Naming the field and the remedy.
    """
    if labeller is None:
        return
    instance(Maker, pretrain_with=labeller)
    others = [kind for kind in STAGE_MAKERS.values() if kind is not LabellingMaker]
    if isinstance(labeller, (TrainingMaker, MDMaker, *others)):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"pretrain_with is a {type(labeller).__name__}: give a Maker that labels, "
            "such as atomate2's ForceFieldStaticMaker, or a LabellingMaker with one"
        )
    if not isinstance(training, CommitteeTrainingMaker):
        kind = "None" if training is None else f"a {type(training).__name__}"
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"pretrain_with is given, and training is {kind}, which is not known to "
            "start from a pretrained committee: give a CommitteeTrainingMaker, or "
            "leave pretrain_with out"
        )


def check_elements(elements: list[str] | None, *frames: Any) -> None:
    """
    Refuse frames of elements that a campaign's settings are not meant for.

    Parameters
    ----------
    elements
        Symbols of the elements that the settings are meant for; None: any.
    *frames
        What the campaign starts from. None, and outputs of other jobs, pass.

    Raises
    ------
    ValueError
        Naming the elements and what to set.
    """
    if elements is None:
        return
    for symbols in _symbols_of_each(frames):
        if others := sorted(symbols.difference(elements)):
            raise ValueError(
                f"elements is {elements}, which the settings are meant for, and the "
                f"structures have {', '.join(others)}: take another preset, such as "
                "'smoke', or set elements to those of your structures (or None) after "
                "a look at exploration.md_maker.dispersion, n_steps and the "
                "temperatures"
            )


def warn_of_labels(makers: Mapping[str, Any], *frames: Any) -> None:
    """
    Warn of settings of an engine that make labels worse than they look.

    Parameters
    ----------
    makers
        What labels, by the names of the fields. None says nothing.
    *frames
        What the campaign starts from. None, and outputs of other jobs, say nothing.
    """
    doubtful = {n: maker for n, maker in makers.items() if isinstance(maker, Doubtful)}
    if not doubtful:
        return
    for symbols in _symbols_of_each(frames):
        for name, maker in doubtful.items():
            for doubt in maker.doubts(symbols):
                warnings.warn(f"{name}: {doubt}", stacklevel=3)


def _symbols_of_each(frames: Iterable[Any]) -> Iterator[set[str]]:
    """Yield the elements of each that is given, and no output of another job."""
    for part in frames:
        if part is not None and not is_reference(part):
            numbers = np.unique(Dataset.load(part).numbers)
            yield {chemical_symbols[z] for z in numbers}


def check_labels(*frames: Any) -> None:
    """
    Refuse frames none of which is labelled, for a campaign that trains but labels none.

    Parameters
    ----------
    *frames
        What the campaign starts from. Outputs of other jobs pass: they may have labels.

    Raises
    ------
    ValueError
        With the remedy.
    """
    given = [part for part in frames if part is not None]
    if not given or any(map(is_reference, given)):
        return
    loaded = [Dataset.load(part) for part in given]
    for remark in chain.from_iterable(map(left_out, loaded)):
        warnings.warn(
            f"{remark.n_frames} {remark.text}; calculate energies and forces",
            stacklevel=3,
        )
    if not any(len(part.labelled) for part in loaded):
        raise ValueError(
            "labelling is None, and no frame that the campaign starts from is "
            "labelled (energy and forces): give labelled frames as dataset, or a "
            "LabellingMaker"
        )
