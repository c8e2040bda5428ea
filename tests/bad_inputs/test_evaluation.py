"""Criteria of an evaluation, and arrays that are calibrated on."""

import numpy as np
import pytest

from flowpot import EvaluationMaker
from flowpot.evaluation import SelectionRules, Trust, calibrate
from flowpot.evaluation.binomial import closing_size, frames_needed

NAN = float("nan")

CRITERIA = [
    ({"tolerance": None}, ["tolerance is None"]),
    ({"rule": None}, ["rule is None"]),
    ({"rule": ["chance"]}, ["rule is ['chance']", "chance, tpr"]),
    ({"target": "0.3"}, ["target is '0.3'", "number"]),
    ({"target": NAN}, ["target is nan"]),
    ({"evidence": ["x"]}, ["evidence is ['x']", "representative"]),
    ({"min_frames": "30"}, ["min_frames is '30'", "number"]),
    ({"min_frames": NAN}, ["min_frames is nan"]),
    ({"min_frames": -5}, ["min_frames is -5", "0 or more"]),
    ({"min_rank_correlation": "x"}, ["min_rank_correlation is 'x'", "number"]),
    ({"min_rank_correlation": NAN}, ["min_rank_correlation is nan"]),
    ({"min_rank_correlation": 2}, ["min_rank_correlation is 2", "-1 to 1"]),
    ({"decide_by": "forces"}, ["decide_by is 'forces'", "list of names"]),
    ({"with_forces": "energy"}, ["with_forces is 'energy'", "list of names"]),
    ({"pilot_labels": 10.5}, ["pilot_labels is 10.5", "whole number"]),
    ({"pilot_labels": "40"}, ["pilot_labels is '40'", "whole number"]),
    ({"pilot_labels": -1}, ["pilot_labels is -1", "0 or more"]),
    ({"closing_audit": 30.5}, ["closing_audit is 30.5", "whole number"]),
    ({"closing_audit": NAN}, ["closing_audit is nan", "whole number"]),
    ({"max_bad_share": "0.1"}, ["max_bad_share is '0.1'", "number"]),
    ({"max_bad_share": True}, ["max_bad_share is True", "number"]),
    ({"max_over_share": NAN}, ["max_over_share is nan", "number"]),
    ({"max_over_share": 1}, ["max_over_share is 1", "between 0 and 1"]),
    ({"rules": None}, ["rules is None"]),
    ({"rules": {"max_selected": 5}}, ["rules is a dict", "SelectionRules"]),
    ({"uncertainties": None}, ["uncertainties is None"]),
    ({"uncertainties": 3}, ["uncertainties is 3", "list of names"]),
    ({"uncertainties": [None]}, ["uncertainties has None", "FeatureDistance"]),
    ({"uncertainties": [["a"]]}, ["uncertainties has ['a']", "FeatureDistance"]),
]
RULES = [
    ({"max_selected": 2.5}, ["max_selected is 2.5", "whole number"]),
    ({"max_selected": None}, ["max_selected is None"]),
    ({"method": None}, ["method is None"]),
    ({"method": "divers"}, ["method is 'divers'", "did you mean 'diverse'"]),
    ({"audit_fraction": "0.1"}, ["audit_fraction is '0.1'", "number"]),
    ({"audit_fraction": NAN}, ["audit_fraction is nan"]),
    ({"audit_min": 2.5}, ["audit_min is 2.5", "whole number"]),
    ({"audit_min": "5"}, ["audit_min is '5'", "whole number"]),
    ({"audit_max": NAN}, ["audit_max is nan", "whole number"]),
    ({"audit_min": 9, "audit_max": 8}, ["audit_min is 9", "audit_max 8"]),
    ({"upper_factor": NAN}, ["upper_factor is nan", "over 1"]),
    ({"upper_factor": "20"}, ["upper_factor is '20'", "over 1"]),
    ({"min_distance": "0.5"}, ["min_distance is '0.5'", "number"]),
]
D = np.linspace(0.1, 1, 20)
KNOWN = {"forces": D, "feature_distance": D}
ARRAYS = [
    ({"tolerance": {"forces": 0.0}}, ["tolerance['forces'] is 0.0", "positive"]),
    ({"tolerance": {"forces": -1.0}}, ["tolerance['forces'] is -1.0", "positive"]),
    ({"tolerance": {"forces": NAN}}, ["tolerance['forces'] is nan"]),
    ({"tolerance": {"force": 1.0}}, ["'force'", "did you mean 'forces'"]),
    ({"error": {"force": D}}, ["error", "'force'", "did you mean 'forces'"]),
    ({"error": {"forces": D[:5]}}, ["error['forces'] has 5", "has 20"]),
    ({"weights": np.ones(3)}, ["weights has 3 frames", "has 20"]),
    ({"worth": {"forces": np.ones(3)}}, ["worth['forces'] has 3 frames"]),
    (
        {"judged": {"forces": D}},
        ["judged has no feature_distance", "errors of forces", "measure it"],
    ),
    (
        {"judged": {"forces": D[:4], "feature_distance": D}},
        ["judged['feature_distance'] has 20", "judged['forces'] has 4"],
    ),
    (
        {"judged": KNOWN, "known": {"forces": D[:7]}},
        ["known['forces'] has 7 frames", "has 20"],
    ),
    ({"known": {"forces": D}}, ["known", "judged is None"]),
]


@pytest.mark.parametrize(("given", "words"), CRITERIA, ids=str)
def test_criteria(given, words, check_refusal):
    check_refusal(lambda: EvaluationMaker(**given), words)


@pytest.mark.parametrize(("given", "words"), RULES, ids=str)
def test_rules(given, words, check_refusal):
    check_refusal(lambda: SelectionRules(**given), words)


@pytest.mark.parametrize(("given", "words"), ARRAYS, ids=lambda row: str(list(row)))
@pytest.mark.parametrize("rule", ["chance", "least-squares"])
def test_arrays(given, words, rule, check_refusal):
    usual = {"error": {"forces": D}, "tolerance": {"forces": 1.0}, "rule": rule}
    check_refusal(lambda: calibrate(KNOWN, **usual | given), words)


@pytest.mark.parametrize("fields", [(NAN, 0.3), ("30", 0.3), (30, NAN), (-1, 0.3)])
def test_trust(fields):
    with pytest.raises(ValueError, match=r"min_(frames|rank_correlation) is"):
        Trust(*fields)


def test_what_is_unusual_and_has_a_meaning_is_taken():
    fields = {"min_frames": 0, "pilot_labels": 0, "closing_audit": 0, "decide_by": None}
    maker = EvaluationMaker(**fields)
    assert {name: getattr(maker, name) for name in fields} == fields
    rules = SelectionRules(max_selected=0, audit_min=0, audit_max=0, upper_factor=1.5)
    assert (rules.max_selected, rules.upper_factor) == (0, 1.5)


def test_the_size_of_an_audit_is_found_at_once():
    """Frame by frame, the second would not end."""
    assert closing_size(30, 1e-4) == 29956
    assert frames_needed(2, 1e-8) > 6e8
    assert [frames_needed(k, 0.1) for k in range(4)] == [29, 46, 61, 76]
    with pytest.raises(ValueError, match="limit is 0"):
        frames_needed(0, 0)
