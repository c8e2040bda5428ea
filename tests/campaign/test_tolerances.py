"""Tolerances have one owner, and what does not fit is refused at construction."""

import pytest

from flowpot import EvaluationMaker, ExplorationMaker, LammpsMDMaker
from flowpot.campaign import ActiveLearningMaker
from flowpot.evaluation.criteria import default_tolerance
from flowpot.training import CommitteeTrainingMaker


def test_the_evaluations_own_is_the_campaigns():
    own = {"forces": 0.3, "forces_max": 1.0}
    maker = ActiveLearningMaker(evaluation=EvaluationMaker(tolerance=own))
    assert maker.tolerance == own
    assert maker.configured_evaluation.tolerance == own


def test_the_campaigns_is_the_evaluations():
    maker = ActiveLearningMaker(tolerance={"forces": 0.3}, max_bad_share=0.2)
    assert maker.configured_evaluation.tolerance == {"forces": 0.3}
    assert maker.configured_evaluation.max_bad_share == 0.2
    assert ActiveLearningMaker().configured_evaluation.tolerance == default_tolerance()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {
                "tolerance": {"forces": 0.3},
                "evaluation": EvaluationMaker(tolerance={"forces": 0.2}),
            },
            "give it once, to the campaign",
        ),
        (
            {
                "tolerance": {"forces": 0.3},
                "evaluation": EvaluationMaker(decide_by=["energy"]),
            },
            "decide_by",
        ),
        ({"tolerance": {"force_max": 0.3}}, "did you mean 'forces_max'"),
        (
            {"evaluation": EvaluationMaker(max_over_share=0.2)},
            "max_over_share is 0.05, and the evaluation's",
        ),
        (
            {
                "training": CommitteeTrainingMaker(size=1),
                "exploration": ExplorationMaker(
                    md_maker=LammpsMDMaker(check_interval=10)
                ),
            },
            "one potential cannot disagree",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ActiveLearningMaker(**fields)


def test_a_rule_that_went_is_refused_and_one_that_was_renamed_is_known():
    assert EvaluationMaker(rule="quantile", target=0.8).rule == "tpr"
    with pytest.raises(ValueError, match="use one of chance, tpr, least-squares"):
        EvaluationMaker(rule="window")
    with pytest.warns(UserWarning, match="with_forces is not needed"):
        EvaluationMaker(with_forces=["energy"])
