"""What a terminal of 80 columns shows of a campaign."""

import io
import re
from typing import get_args

import pytest
from rich.console import Console

from flowpot import Campaign
from flowpot.campaign import IterationDoc
from flowpot.campaign.document import StopKind
from flowpot.campaign.reading import CampaignStatus
from flowpot.evaluation import FreshError
from flowpot.report.status import status_view
from flowpot.report.table import print_campaign
from flowpot.report.wording import STATES, state_of

END = {
    "max_iterations": "not converged",
    "max_labels": "not converged",
    "nothing_left": "not converged",
    "none_over": "not audited",
    "completed": "completed",
    "converged": "converged",
    "failed": "failed",
}
UUID = "00000000-0000-4000-8000-000000000000"


def shown(*items):
    """Return the lines that a terminal of 80 columns shows."""
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    for item in items:
        item(console) if callable(item) else console.print(item)
    return stream.getvalue().splitlines()


def said_in(status):
    """Return the styles in which a terminal shows the status."""
    spans = status_view(status, []).renderables[0].spans
    return [str(span.style) for span in spans]


def iterations(n):
    """Iterations with numbers of the most usual lengths."""
    fresh = FreshError(value=0.12345, interval=(0.01234, 0.98765), n=10, over=0.5)
    metrics = {
        label: {"energy": 0.01234, "forces": 0.1234, "stress": 0.001234}
        for label in ("train", "val", "test")
    }
    return [
        IterationDoc(
            iteration=i + 1,
            n_labelled=1000,
            n_failed=20,
            n_dataset=1000 * (i + 1),
            metrics=metrics,
            fresh_error=dict.fromkeys(("energy", "forces", "stress"), fresh),
            n_explored=12000,
            n_over=3000,
            n_selected=1000,
            n_audit=200,
            seconds={"labelling": 123456.0, "training": 34567.0},
        )
        for i in range(n)
    ]


def test_every_end_has_a_name():
    assert STATES.keys() == {None, *get_args(StopKind)}


@pytest.mark.parametrize("kind", [None, *END])
def test_a_campaign_is_called_what_it_is(kind):
    reason = None if kind is None else f"{kind}: because"
    status = CampaignStatus("gold", UUID, reason, n_dataset=3, stop_kind=kind)
    assert state_of(status) == END.get(kind, "running")
    green = [style for style in said_in(status) if "green" in style]
    assert bool(green) == (kind == "converged")
    said = shown(status_view(status, []))
    assert f"Campaign 'gold'  {END.get(kind, 'running')}  {UUID}" in said[0]


def test_the_kind_of_end_is_read_from_the_store(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore)
    assert Campaign.from_store(jobstore).status.stop_kind == "max_iterations"


def test_a_row_of_the_status_is_one_line():
    status = CampaignStatus("gold", UUID, "converged: yes", 3, stop_kind="converged")
    lines = shown(status_view(status, iterations(3)))
    rows = [line.split() for line in lines[-5:-2]]
    assert [row[:4] for row in rows] == [
        [str(i), str(1000 * i), "123", "[12.3,"] for i in (1, 2, 3)
    ]
    assert all(row[-3:] == ["1000", "+", "200"] for row in rows)
    assert not any("…" in line for line in lines)


def test_frames_that_are_not_labelled_are_counted():
    status = CampaignStatus("gold", UUID, None, 3)
    last = iterations(1)[0].model_copy(update={"n_insane": 7, "n_copies": 9000})
    said = " ".join(" ".join(shown(status_view(status, [last]))).split())
    assert "of 12000 explored frames 7 with atoms too close" in said
    assert "and 9000 copies of another one are not labelled." in said
    table = "\n".join(shown(lambda console: print_campaign(console, "gold", [last])))
    assert re.search("copies of another +│ +9000 ", table)
    assert re.search("unphysical +│ +7 ", table)


def test_a_long_campaign_is_printed_in_parts():
    """Each part with as many iterations as have room for their numbers."""
    lines = shown(lambda console: print_campaign(console, "gold", iterations(5)))
    headings = [line.split()[1:] for line in lines if "┃ iteration" in line]
    numbers = [word for heading in headings for word in heading if word.isdigit()]
    assert numbers == ["1", "2", "3", "4", "5"]
    assert len(headings) == 3
    assert sum("123 [12.3, 988]" in line for line in lines) == 3 * len(headings)
    assert sum("RMSE of the committee mean" in line for line in lines) == 1
    assert not any("…" in line for line in lines)
