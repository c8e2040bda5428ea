"""Evaluations and campaigns that cannot be meant: see conftest.py."""

import pytest
from ase.build import bulk

from flowpot import (
    ActiveLearningMaker,
    CommitteeTrainingMaker,
    EvaluationMaker,
    ExplorationMaker,
    LammpsMDMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.evaluation import SelectionRules

ROWS = [
    (lambda: SelectionRules(max_selected=-1), ["max_selected is -1", "0 or more"]),
    (lambda: EvaluationMaker(tolerance=0.1), ["tolerance is 0.1", "dictionary"]),
    (
        lambda: ActiveLearningMaker(tolerance={"forces": "0.1"}),
        ["tolerance['forces'] is '0.1'", "a number"],
    ),
    (
        lambda: ActiveLearningMaker(tolerance={"force": 0.1}),
        ["'force'", "did you mean 'forces'"],
    ),
    (lambda: ActiveLearningMaker(seed="a"), ["seed is 'a'", "whole"]),
    (lambda: ActiveLearningMaker(max_iterations=0), ["max_iterations is 0", "1 or"]),
    (lambda: ActiveLearningMaker(max_bad_share=3), ["max_bad_share is 3", "0 and 1"]),
    (
        lambda: ActiveLearningMaker(training=MACETrainingMaker()),
        ["training is a MACETrainingMaker", "CommitteeTrainingMaker"],
    ),
    (
        lambda: ActiveLearningMaker(labelling=ExplorationMaker()),
        ["labelling is a ExplorationMaker", "LabellingMaker"],
    ),
    (
        lambda: ActiveLearningMaker(exploration=LammpsMDMaker),
        ["exploration is the class LammpsMDMaker", "Maker"],
    ),
    (lambda: ActiveLearningMaker(elements=["Xx"]), ["elements is ['Xx']", "symbols"]),
    (lambda: ActiveLearningMaker().make(), ["structures, dataset missing", "give"]),
    (
        lambda: ActiveLearningMaker.preset("accuracy").make([bulk("Cu")]),
        ["elements is ['C']", "Cu", "'smoke'"],
    ),
    (
        lambda: ActiveLearningMaker(
            training=CommitteeTrainingMaker(
                trainer=MetatrainTrainingMaker(
                    hyperparameters={"training": {"num_epoch": 3}}
                )
            )
        ).make([bulk("Cu")]),
        ["num_epoch"],
    ),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)
