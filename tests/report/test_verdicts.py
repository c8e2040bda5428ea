"""What a campaign came to, in words that fit how it ended."""

import dataclasses
import html
import io
import re
from typing import get_args

import pytest
from ase.build import bulk
from jobflow import run_locally
from rich.console import Console

import trivial_campaign
from flowpot import Campaign
from flowpot.campaign.document import StopKind
from flowpot.evaluation import FreshError
from flowpot.report import write_report
from flowpot.report.methods import methods_of
from flowpot.report.next_steps import next_steps
from flowpot.report.status import say_verdict
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


def test_a_pilot_is_not_called_an_audit(jobstore, synthetic_campaign):
    """Its frames are those that the flags were fitted to."""
    synthetic_campaign(jobstore)
    campaign = Campaign.from_store(jobstore)
    said = verdict(campaign).audit  # a document of before, which does not tell
    assert said.startswith("Audit: 1 of 20 accepted frames are over tolerance")
    audit = campaign.iteration_docs[-1].audit
    audit.n_closing = 20
    assert verdict(campaign).audit == said
    assert "In the last audit 1 of 20" in "".join(methods_of(campaign).paragraphs)
    audit.n_closing = 0
    pilot = verdict(campaign).audit
    assert pilot.startswith("Pilot: 1 of 20 accepted frames are over tolerance")
    assert "the flags were fitted to these frames" in pilot
    assert "In the last pilot 1 of 20" in "".join(methods_of(campaign).paragraphs)


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
    campaign._documents.end["output"]["max_iterations"] = 3  # one more is allowed
    failed = [step.command for step in next_steps(ended(campaign, "failed"))]
    assert "flowpot run 'a file.yaml' --continue" in failed


def test_limits_of_the_command_that_are_spent_are_replaced(jobstore, clean_dir):
    campaign = run_trivial_campaign(jobstore, 2)
    campaign.command = "flowpot run c.yaml --max-iterations 2 --max-labels 2 --folder d"
    campaign.makers = {"max_labels": 2}
    (step, *_) = next_steps(ended(campaign, "failed"))
    assert step.command == (
        "flowpot run c.yaml --folder d --continue --max-iterations 4 --max-labels 4"
    )
    campaign._documents.end["output"]["max_iterations"] = 3
    (step, *_) = next_steps(campaign)
    assert step.command == (
        "flowpot run c.yaml --max-iterations 2 --folder d --continue --max-labels 4"
    )


@pytest.mark.parametrize("stage", ["training", "exploration"])
def test_the_command_after_a_failure_in_the_last_iteration_goes_on(
    stage, jobstore, clean_dir, monkeypatch
):
    document = {"training": "CommitteeDoc", "exploration": "ExplorationDoc"}[stage]
    with monkeypatch.context() as broken:
        broken.delattr(trivial_campaign, document)
        campaign = run_trivial_campaign(jobstore, 1)
    assert campaign.status.stop_kind == "failed"
    maker = trivial_campaign.trivial_campaign(1)
    known = {"run_locally": run_locally, "dataclasses": dataclasses, "store": jobstore}
    known |= {"Campaign": Campaign, "maker": maker}
    eval(next_steps(campaign)[0].command, known)
    again = Campaign.from_store(jobstore, "trivial")
    assert [doc.failed_stage for doc in again.iteration_docs] == [stage, None, None]


def test_a_stage_that_left_nothing_failed_in_its_own_iteration(
    jobstore, clean_dir, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.delattr(trivial_campaign, "LabellingDoc")
        campaign = run_trivial_campaign(jobstore, 4)
    assert campaign.status.iteration == 0  # no stage has a document
    said = verdict(campaign)
    assert said.headline == "Failed in iteration 2: no result of labelling."


def test_commands_are_shown_as_they_are(jobstore, clean_dir):
    """Neither units nor what looks like a secret is replaced in them."""
    flow = dataclasses.replace(
        trivial_campaign.trivial_campaign(1), name="token=x eV/A"
    ).make(structures=[bulk("Cu")])
    run_locally(flow, store=jobstore, log=False)
    campaign = Campaign.from_store(jobstore)
    said = verdict(campaign, "--store 'a b'")
    commands = [step.command for step in said.steps if step.command]
    assert "export 'token=x eV/A' --store 'a b'" in commands[-1]
    page = write_report(campaign, clean_dir, where="--store 'a b'").read_text()
    shown = re.findall("<pre>(.*?)</pre>", page, re.DOTALL)
    assert list(map(html.unescape, shown)) == commands
    stream = io.StringIO()
    say_verdict(Console(file=stream, width=40), said)
    assert all(f"    {command}\n" in stream.getvalue() for command in commands)


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
