"""Evaluations and campaigns that cannot be meant: see conftest.py."""

import pytest
from ase.build import bulk

from flowpot import (
    ActiveLearningMaker,
    CommitteeTrainingMaker,
    Dataset,
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
    (lambda: ActiveLearningMaker(seed=10**23), ["seed is 1", "or less", "database"]),
    (lambda: ActiveLearningMaker(max_labels=10**23), ["max_labels is 1", "or less"]),
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
    (lambda: ActiveLearningMaker(elements=[]), ["elements is empty", "give one"]),
    (lambda: ActiveLearningMaker().make(), ["structures, dataset missing", "give"]),
    *(
        (
            lambda given=given: ActiveLearningMaker().make(
                **{"structures": [bulk("Cu")]} | given
            ),
            [f"{name} is empty", "leave it out"],
        )
        for name in ("structures", "dataset", "committee", "explored")
        for given in ({name: []}, {name: Dataset.concatenate([])})
    ),
    (
        lambda: ActiveLearningMaker().dry_run([bulk("Cu")], explored=[]),
        ["explored is empty", "leave it out"],
    ),
    (
        lambda: ActiveLearningMaker().make([bulk("Cu")], committee=3),
        ["committee has 3", "give a CommitteeDoc"],
    ),
    (
        lambda: ActiveLearningMaker(max_labels=3).make([bulk("Cu")]),
        ["max_labels is 3", "4 labels", "train, val, test", "training to None"],
    ),
    (
        lambda: ActiveLearningMaker(max_labels=4).make(
            [bulk("NaCl", "rocksalt", a=5.6)]
        ),
        ["max_labels is 4", "5 labels"],
    ),
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


def test_a_model_that_is_not_there():
    with pytest.raises(FileNotFoundError, match=r"committee has 'no.model', and there"):
        ActiveLearningMaker().make([bulk("Cu")], committee="no.model")
