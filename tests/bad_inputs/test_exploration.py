"""Explorations, engines and calculators that cannot be meant: see conftest.py."""

import subprocess

import pytest

from flowpot import (
    BatchedMDMaker,
    ExplorationMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.exploration.members import stage_member
from flowpot.exploration.sanity import SanityLimits

ROWS = [
    (lambda: ExplorationMaker(temperatures=300), ["temperatures is 300", "a list"]),
    (lambda: ExplorationMaker(temperatures=[]), ["temperatures is empty", "at least"]),
    (lambda: ExplorationMaker(temperatures=[-5]), ["temperatures", "-5", "0 or more"]),
    (lambda: ExplorationMaker(pressures=["high"]), ["pressures[0] is", "high", "list"]),
    (lambda: ExplorationMaker(n_starts=0), ["n_starts is 0", "1 or more"]),
    (lambda: ExplorationMaker(sampling="random"), ["sampling is 'random'", "use one"]),
    (lambda: ExplorationMaker(config_types="md"), ["config_types is 'md'", "a list"]),
    (
        lambda: ExplorationMaker(md_maker=LammpsMDMaker(temperature=600)),
        ["md_maker.temperature is 600", "temperatures=None"],
    ),
    (
        lambda: ExplorationMaker(md_maker=MACETrainingMaker()),
        ["md_maker is a MACETrainingMaker", "LammpsMDMaker"],
    ),
    (lambda: LammpsMDMaker(timestep=0), ["timestep is 0", "positive"]),
    (lambda: LammpsMDMaker(n_steps="long"), ["n_steps is 'long'", "whole"]),
    (lambda: LammpsMDMaker(ensemble="nptt"), ["'nptt'", "did you mean 'npt'"]),
    (lambda: LammpsMDMaker(temperature="hot"), ["temperature is ", "hot", "number"]),
    (lambda: LammpsMDMaker(engine="gromacs"), ["engine is 'gromacs'", "use one of"]),
    (lambda: LammpsMDMaker(extra="fix x"), ["extra is 'fix x'", "a list"]),
    (lambda: LammpsMDMaker(seed=-3), ["seed is -3", "0 or more"]),
    (lambda: LammpsMDMaker(limits=0.5), ["limits is 0.5", "SanityLimits"]),
    (lambda: LammpsMDMaker(device="gpu"), ["device is 'gpu'", "'cuda'"]),
    (lambda: BatchedMDMaker(device="gpu"), ["device is 'gpu'", "'cuda'"]),
    (lambda: SanityLimits(volume=3), ["volume is 3", "two numbers"]),
    (
        lambda: stage_member({"calculator": "os.system", "kwargs": {}}, None),
        ["calculator is 'os.system'", "ase.calculators."],
    ),
    (
        lambda: stage_member({"calculator": subprocess.call, "kwargs": {}}, None),
        ["subprocess.call", "annotated"],
    ),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)
