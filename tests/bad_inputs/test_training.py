"""Trainings and committees that cannot be meant: see conftest.py."""

import pytest

from flowpot import (
    CommitteeTrainingMaker,
    LabellingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)

ROWS = [
    (
        lambda: MACETrainingMaker(hyperparameters={"rmax": 5}),
        ["'rmax'", "did you mean 'r_max'"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"max_num_epochs": "many"}),
        ["hyperparameters['max_num_epochs'] is 'many'", "a whole number"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"loss": "mse"}),
        ["hyperparameters['loss'] is 'mse'", "use one of"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"swa": "perhaps"}),
        ["hyperparameters['swa'] is 'perhaps'", "true or false"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters=[1]),
        ["hyperparameters is [1]"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"seed": 3}),
        ["hyperparameters has 'seed'", "give `seed` to make"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"E0s": "isolated"}),
        ["'E0s': 'isolated'", "by atomic number"],
    ),
    (lambda: MACETrainingMaker(fine_tuning="all"), ["fine_tuning is 'all'", "naive"]),
    (lambda: MACETrainingMaker(device="gpu 1"), ["device is 'gpu 1'", "'cuda'"]),
    (lambda: MACETrainingMaker(device="gpu"), ["device is 'gpu'", "'cuda'"]),
    (lambda: MetatrainTrainingMaker(device="auto:1"), ["device is 'auto:1'", "'auto'"]),
    (lambda: MACETrainingMaker(walltime=-5), ["walltime is -5", "positive"]),
    (lambda: MACETrainingMaker(warm_start="no"), ["warm_start is 'no'", "True or"]),
    (lambda: MACETrainingMaker(foundation_model=3), ["foundation_model is 3", "str"]),
    (lambda: MACETrainingMaker(cache=3), ["cache", "3"]),
    (
        lambda: MetatrainTrainingMaker(hyperparameters={"trainin": {}}),
        ["'trainin'", "did you mean 'training'"],
    ),
    (
        lambda: MetatrainTrainingMaker(hyperparameters={"base_precision": 8}),
        ["base_precision is 8", "(16, 32, 64)"],
    ),
    (lambda: CommitteeTrainingMaker(size=0), ["size is 0", "1 or more"]),
    (lambda: CommitteeTrainingMaker(size="four"), ["size is 'four'", "whole"]),
    (lambda: CommitteeTrainingMaker(size=2, min_size=3), ["min_size 3", "no larger"]),
    (lambda: CommitteeTrainingMaker(members_per_job=0), ["members_per_job is 0", "1"]),
    (
        lambda: CommitteeTrainingMaker(trainer=LabellingMaker()),
        ["trainer is a LabellingMaker", "TrainingMaker"],
    ),
    (lambda: CommitteeTrainingMaker().make("x.xyz", seed="a"), ["seed is 'a'"]),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)
