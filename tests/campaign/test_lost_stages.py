"""A stage that leaves nothing, not even an error, was killed: it gets a second try."""

from collections import Counter

import pytest

import trivial_campaign
from flowpot.campaign import loop
from flowpot.report.verdicts import verdict

STAGES = {
    "labelling": "LabellingDoc",
    "training": "CommitteeDoc",
    "exploration": "ExplorationDoc",
    "evaluation": "EvaluationDoc",
}


@pytest.fixture
def lose(monkeypatch):
    """Let a stage fail when it is at work for the nth time; count how often each is."""
    calls = Counter()

    def set_up(stage, *fatal):
        for name, document in STAGES.items():
            monkeypatch.setattr(
                trivial_campaign, document, watched(name, document, stage, fatal)
            )
        return calls

    def watched(name, document, stage, fatal):
        original = getattr(trivial_campaign, document)

        def make(**fields):
            calls[name] += 1
            if name == stage and calls[name] in fatal:
                raise OSError("what is killed says less")
            return original(**fields)

        return make

    return set_up


@pytest.fixture
def run(jobstore, clean_dir):
    """Run a trivial campaign, new or to be continued."""

    def start(n_iterations=4, **given):
        return trivial_campaign.run_trivial_campaign(jobstore, n_iterations, **given)

    return start


@pytest.mark.parametrize("stage", STAGES)
def test_the_next_turn_takes_it_up(stage, lose, run):
    calls = lose(stage, 2)
    campaign = run()
    assert campaign.doc.stop_kind == "max_iterations"
    assert [doc.failed_stage for doc in campaign.iteration_docs] == [
        None,
        stage,
        None,
        None,
    ]
    assert calls == {name: 4 if name == stage else 3 for name in STAGES}
    assert campaign.iteration_docs[-1].n_dataset == len(campaign.dataset()) == 3


def test_the_numbers_of_a_turn_are_gathered_again(run, monkeypatch):
    whole, n_calls = loop.summarise, Counter()

    def summarise(iteration, *others):
        n_calls[iteration] += 1
        if (iteration, n_calls[iteration]) in {(2, 1), (4, 1), (4, 2)}:
            raise OSError("what is killed says less")
        return whole(iteration, *others)

    monkeypatch.setattr(loop, "summarise", summarise)
    campaign = run(n_iterations=5)
    assert n_calls == {1: 1, 2: 2, 3: 1, 4: 2}
    assert [doc.iteration for doc in campaign.iteration_docs] == [1, 2, 3]
    assert campaign.stop_reason == "failed: the record of the iteration is missing"
    assert verdict(campaign).headline == (
        "Failed in iteration 4: the record of the iteration is missing."
    )


def test_there_is_no_third_try(lose, run):
    lose("training", 2, 3)
    campaign = run()
    assert campaign.stop_reason.startswith("failed: the training stage ended without")
    assert [doc.failed_stage for doc in campaign.iteration_docs] == [
        None,
        *["training"] * 2,
    ]


def test_each_loss_has_a_second_try(lose, run):
    lose("exploration", 1, 3, 5)
    campaign = run(n_iterations=6)
    failed = [doc.failed_stage is not None for doc in campaign.iteration_docs]
    assert failed == [True, False] * 3


def test_nor_one_beyond_the_limits_but_in_a_continued_campaign(lose, run):
    calls = lose("evaluation", 2, 3)
    campaign = run(n_iterations=2)
    assert campaign.doc.stop_kind == "failed"
    again = run(n_iterations=5, campaign=campaign)
    assert [doc.failed_stage for doc in again.iteration_docs][1:] == [
        *["evaluation"] * 2,
        None,
        None,
    ]
    assert calls["training"] == 3
