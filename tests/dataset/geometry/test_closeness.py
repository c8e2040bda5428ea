"""The limits of how close two atoms may be have one owner."""

import dataclasses

import pytest

from flowpot import ActiveLearningMaker, AugmentationMaker, LabellingMaker
from flowpot.dataset.geometry.closeness import (
    MIN_DISTANCE,
    MIN_DISTANCE_MADE,
    accepted_distance,
    check_distance,
    check_handed_on,
    made_distance,
)
from flowpot.evaluation import SelectionRules
from flowpot.exploration.lammps import SanityLimits
from flowpot.labelling import EspressoStaticMaker
from flowpot.labelling.espresso.engine import EspressoEngine


def test_what_is_made_is_accepted():
    assert MIN_DISTANCE_MADE >= MIN_DISTANCE
    assert made_distance(None) == MIN_DISTANCE_MADE
    assert accepted_distance(None) == MIN_DISTANCE
    assert made_distance(0.3) == accepted_distance(0.3) == 0.3
    assert made_distance(0.0) == accepted_distance(0.0) == 0.0


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (AugmentationMaker, "min_distance"),
        (LabellingMaker, "min_distance_fraction"),
        (EspressoStaticMaker, "min_distance_fraction"),
        (EspressoEngine, "min_distance_fraction"),
        (SelectionRules, "min_distance"),
        (SanityLimits, "contact"),
    ],
)
def test_every_stage_inherits_its_limit(kind, field):
    defaults = {each.name: each.default for each in dataclasses.fields(kind)}
    assert defaults[field] is None


@pytest.mark.parametrize("value", [-0.1, 1.0, 50, float("nan")])
def test_limits_are_fractions(value):
    with pytest.raises(ValueError, match=f"contact is {value}: use a fraction"):
        check_distance(contact=value)


def test_the_remedy_names_both_fields():
    check_handed_on(("made", 0.5), ("accepted", 0.5))
    with pytest.raises(ValueError, match=r"Raise made, lower accepted, or leave both"):
        check_handed_on(("made", 0.4), ("accepted", 0.5))


def test_a_campaign_of_defaults_is_consistent():
    assert ActiveLearningMaker()
