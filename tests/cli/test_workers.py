"""Workers are chosen by the names of a campaign's jobs."""

import re
from pathlib import Path

import pytest

from flowpot import ActiveLearningMaker, LabellingMaker, ValidationMaker
from flowpot.cli.workers import parse_workers
from flowpot.jobs import JobName

README = Path(__file__).parents[2] / "README.md"
ANOTHER_ENGINE = {JobName.METATRAIN_TRAIN, JobName.BATCHED_MD}
"""Jobs that the campaign below has under another name."""


@pytest.fixture(scope="module")
def campaign():
    return ActiveLearningMaker(
        validator=ValidationMaker(properties=("eos",)),
        property_tolerance={"bulk_modulus": 0.05},
        pretrain_with=LabellingMaker(),
    )


@pytest.mark.parametrize("name", sorted({*JobName} - ANOTHER_ENGINE))
def test_each_of_flowpots_jobs_can_have_its_worker(name, campaign):
    assert parse_workers([f"{name}=gpu"], campaign) == [(name, "gpu")]


def test_names_that_the_readme_lists(campaign):
    section = README.read_text().partition("Jobs have names")[2].partition("The choice")
    listed = set(re.findall("`([a-z ,]+)`", section[0]))
    assert listed >= {name.value for name in JobName}
    for name in listed - ANOTHER_ENGINE:
        parse_workers([f"{name}=gpu"], campaign)


def test_names_of_engines_are_the_campaigns_own(campaign):
    with pytest.raises(ValueError, match="no job of the campaign is called 'batched"):
        parse_workers(["batched md=gpu"], campaign)
    assert parse_workers(["qe static, refined=gpu"], campaign)


def test_the_hint_is_a_name(campaign):
    with pytest.raises(ValueError, match=r"\(did you mean 'join shards'\?\): its jobs"):
        parse_workers(["join shard s=gpu"], campaign)
