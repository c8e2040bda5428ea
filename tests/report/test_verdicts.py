"""What a campaign came to, in words that fit how it ended."""

from typing import get_args

import pytest

from flowpot import Campaign
from flowpot.campaign.document import StopKind
from flowpot.evaluation import FreshError
from flowpot.report.next_steps import next_steps
from flowpot.report.verdicts import fresh_lines, verdict
from trivial_campaign import run_trivial_campaign


def ended(campaign, kind):
    """Let a campaign have ended otherwise."""
    end = campaign._documents.end["output"]
    end |= {"stop_kind": kind, "stop_reason": f"{kind}: because"}
    return campaign


def test_a_campaign_that_ran_out(jobstore, clean_dir):
    said = verdict(run_trivial_campaign(jobstore, 2))
    assert said.state == "not converged"
    assert said.headline.startswith("Not converged: error on fresh frames not known")
    answers = said.answers
    assert answers["Is it good?"].startswith("Nobody knows: ")
    assert answers["Can it be trusted?"].startswith("Yes: the error bars of energy")
    assert answers["What did it cost?"].startswith("2 labels; ")
    assert "max_iterations=4" in answers["What next?"]


@pytest.mark.parametrize(
    ("kind", "begins"), [("converged", "Yes, within"), ("failed", "Nobody knows: ")]
)
def test_it_does_not_call_good_what_is_not(jobstore, clean_dir, kind, begins):
    campaign = ended(run_trivial_campaign(jobstore, 1), kind)
    said = verdict(campaign)
    assert said.good.startswith(begins)
    assert "because" in said.good
    last = campaign.iteration_docs[-1]
    doubt = {"trusted": False, "reason": "too few"}
    fit = last.calibration["energy"].model_copy(update=doubt)
    last.calibration |= {"energy": fit}
    assert verdict(campaign).trusted == (
        "Not the error bars of energy: too few. Those of forces, stress can"
    )
    last.calibration = None
    assert verdict(campaign).trusted == "No: nothing was calibrated"


def test_trajectories_that_were_halted_are_told(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore)
    campaign = Campaign.from_store(jobstore)
    last = campaign.iteration_docs[-1]
    runs = campaign.n_runs[last.iteration]
    said = verdict(campaign).good
    n = sum(last.halted.values())
    assert (
        f"{n} of {runs} trajectories were halted (volume {last.halted['volume']}"
        in said
    )
    last.halted.clear()
    assert "halted" not in verdict(campaign).good


@pytest.mark.parametrize("kind", get_args(StopKind))
def test_every_end_has_a_next_step_with_a_command(jobstore, clean_dir, kind):
    campaign = ended(run_trivial_campaign(jobstore, 1), kind)
    steps = next_steps(campaign, "--store here")
    assert any(step.command for step in steps)
    export = steps[-2 if kind == "converged" else -1].command
    assert export == (
        "flowpot export trivial --store here --models trivial-models "
        "--dataset trivial.xyz"
    )
    if kind == "completed":
        assert steps[0].command.endswith("--unlabelled trivial-to-label.xyz")


def test_a_command_goes_on_as_it_was_started(jobstore, clean_dir):
    campaign = run_trivial_campaign(jobstore, 2)
    campaign.command = "flowpot run 'a file.yaml'"
    steps = [step.command for step in next_steps(campaign)]
    assert "flowpot run 'a file.yaml' --continue --max-iterations 4" in steps
    failed = [step.command for step in next_steps(ended(campaign, "failed"))]
    assert "flowpot run 'a file.yaml' --continue" in failed


def test_a_running_campaign_is_waited_for(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore, finished=False)
    said = verdict(Campaign.from_store(jobstore))
    assert said.state == "running"
    assert [step.command for step in said.steps] == ["flowpot status synthetic --watch"]
    assert said.good.startswith("So far: median error on fresh frames: energy 0.4 ")


def test_the_error_stands_against_the_tolerance(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore)
    last = Campaign.from_store(jobstore).iteration_docs[-1]
    interval = {"within": (0.01, 0.09), "unclear": (0.05, 0.2), "over": (0.11, None)}
    for standing, ends in interval.items():
        fresh = FreshError(value=0.1, interval=ends, n=9, over=0.25)
        last.fresh_error = {"forces": fresh}
        (line,) = fresh_lines(last)
        assert line.standing == standing
        assert (line.unit, line.tolerance) == ("meV/Å", "100")
        assert "25 % of the frames over it" in line.over
    assert line.error == "100 [110, ∞)"


def test_what_no_label_mends_comes_first(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore)
    campaign = Campaign.from_store(jobstore)
    campaign.iteration_docs[-1].warnings = ["noise of 0.1 eV/A"]
    said = verdict(campaign)
    assert said.warnings == ["noise of 0.1 eV/A"]
    assert "warnings" in said.steps[0].words


def test_labels_cost_what_their_engine_states(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore)
    said = verdict(Campaign.from_store(jobstore)).cost
    assert said.startswith("60 labels (3 more failed)")
    assert said.endswith(
        "0.2 core-minutes a label"
    )  # 12 core-seconds, 3 s of wall time
    assert "in training, exploration, evaluation a process counts as one core" in said
