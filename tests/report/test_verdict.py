"""What a campaign came to, in words that fit how it ended."""

from typing import get_args

import pytest

from flowpot.campaign.document import StopKind
from flowpot.report.verdict import _NEXT, verdict
from trivial_campaign import run_trivial_campaign


def test_every_end_has_a_next_step():
    assert _NEXT.keys() == set(get_args(StopKind))


def test_a_campaign_that_ran_out(jobstore, clean_dir):
    answers = verdict(run_trivial_campaign(jobstore, 2))
    assert answers["Is it good?"].startswith("Nobody knows: ")
    assert answers["Can it be trusted?"].startswith("Yes: the error bars of energy")
    assert answers["What did it cost?"].startswith("2 labels; ")
    assert "raise max_iterations" in answers["What next?"]


@pytest.mark.parametrize(
    ("kind", "begins"), [("converged", "Yes, within"), ("failed", "Nobody knows: ")]
)
def test_it_does_not_call_good_what_is_not(jobstore, clean_dir, kind, begins):
    campaign = run_trivial_campaign(jobstore, 1)
    campaign.doc.stop_kind = kind
    campaign.doc.stop_reason = f"{kind}: because"
    answers = verdict(campaign)
    assert answers["Is it good?"].startswith(begins)
    assert "because" in answers["Is it good?"]
    campaign.doc.iterations[-1].calibration["energy"] = (
        campaign.doc.iterations[-1]
        .calibration["energy"]
        .model_copy(update={"trusted": False, "reason": "too few"})
    )
    assert verdict(campaign)["Can it be trusted?"] == (
        "Not the error bars of energy: too few"
    )
    campaign.doc.iterations.clear()
    assert verdict(campaign)["Can it be trusted?"] == "No: nothing was calibrated"
