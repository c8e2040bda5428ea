"""Stages that do not fit together make no campaign."""

from dataclasses import replace

import pytest

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    EvaluationMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
)
from flowpot.evaluation import SelectionRules
from flowpot.exploration.lammps import SanityLimits
from flowpot.labelling import EspressoStaticMaker
from trivial_campaign import trivial_campaign


def exploring(contact: float) -> ExplorationMaker:
    limits = SanityLimits(contact=contact)
    return ExplorationMaker(md_maker=LammpsMDMaker(limits=limits))


def evaluating(limit: float) -> EvaluationMaker:
    return EvaluationMaker(rules=SelectionRules(min_distance=limit))


def labelling(limit: float) -> LabellingMaker:
    return LabellingMaker(min_distance_fraction=limit)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            {"augmentation": AugmentationMaker(min_distance=0.4)},
            r"augmentation\.min_distance is 0\.4 and labelling\.min.*Raise augm.*lower",
        ),
        (
            {"labelling": labelling(0.7)},
            r"augmentation\.min_distance is 0\.66 and labelling\.min_distance_fraction",
        ),
        (
            {
                "labelling": LabellingMaker(
                    static_maker=EspressoStaticMaker(min_distance_fraction=0.6)
                )
            },
            r"rules\.min_distance is 0\.5 and labelling\.static_maker\.min.* is 0\.6",
        ),
        (
            {"exploration": exploring(0.3)},
            r"exploration\.md_maker\.limits\.contact is 0\.3 and evaluation\.rules",
        ),
        (
            {"evaluation": evaluating(0.4), "exploration": exploring(0.4)},
            r"evaluation\.rules\.min_distance is 0\.4 and labelling\.min_distance",
        ),
    ],
)
def test_frames_that_the_next_stage_refuses_are_not_made(stages, message):
    with pytest.raises(ValueError, match=message):
        ActiveLearningMaker(**stages)


def test_a_budget_that_the_labelling_stage_cannot_keep_is_refused():
    """Another package's stage may have no field for it."""
    with pytest.raises(ValueError, match="max_labels is 5, and labelling, a Constant"):
        replace(trivial_campaign(1), max_labels=5)
    assert replace(trivial_campaign(1), max_labels=5, labelling=None).max_labels == 5


@pytest.mark.parametrize(("share", "needed"), [(0.1, 30), (0.05, 59)])
def test_a_closing_audit_that_is_never_labelled_as_a_whole_is_refused(share, needed):
    stages = {"max_bad_share": share}
    enough = ActiveLearningMaker(labelling=LabellingMaker(max_labels=needed), **stages)
    assert enough.configured_evaluation.closing_audit == 30
    with pytest.raises(ValueError, match=f"the closing audit has {needed} frames"):
        ActiveLearningMaker(labelling=LabellingMaker(max_labels=needed - 1), **stages)


@pytest.mark.parametrize(
    "stages",
    [
        {"labelling": labelling(0.3)},
        {"labelling": labelling(0.3), "evaluation": evaluating(0.3)},
        {"augmentation": AugmentationMaker(min_distance=0.5)},
        {"exploration": exploring(0.6)},
        {"exploration": exploring(0.3), "evaluation": None},
        {"augmentation": None, "labelling": labelling(0.5)},
        {"labelling": None, "augmentation": AugmentationMaker(min_distance=0.2)},
    ],
)
def test_stages_may_be_stricter_than_those_that_follow(stages):
    maker = ActiveLearningMaker(**stages)
    assert {name: getattr(maker, name) for name in stages} == stages
