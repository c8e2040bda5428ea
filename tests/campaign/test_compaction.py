"""Old shards and records are joined, and nobody notices."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot import Dataset
from flowpot.campaign import compaction, state
from flowpot.campaign.state import WIDTH, PointerLog
from flowpot.jobs import Pointer
from trivial_campaign import run_trivial_campaign


@pytest.mark.parametrize("n", [1, WIDTH, 3 * WIDTH + 1, 500])
def test_few_entries_stand_for_all(n):
    log, behind = PointerLog(), {}
    for number in range(n):
        level = log.full
        old = log.oldest(level) if level is not None else []
        log = log.added(Pointer(str(number)))  # while the old ones are being joined
        if old:
            behind[f"to {number}"] = old
            log = log.merged(level, Pointer(f"to {number}"))
    assert names(log, behind) == [str(number) for number in range(n)]
    most = (WIDTH - 1) * np.log(n) / np.log(WIDTH) + WIDTH
    assert len(log) == len(list(log)) <= most


def names(entries, behind):
    """What the entries point to, in the end."""
    found = []
    for each in entries:
        old = behind.get(each.uuid)
        found += names(old, behind) if old else [each.uuid]
    return found


def test_a_record_may_be_replaced_by_that_of_the_whole_iteration():
    log = PointerLog().added(Pointer("a")).added(Pointer("half")).without_last()
    assert list(log.added(Pointer("whole"))) == [Pointer("a"), Pointer("whole")]


@pytest.fixture
def narrow(monkeypatch):
    """Join every two entries, so that ten iterations reach the third level."""
    monkeypatch.setattr(state, "WIDTH", 2)


def sizes(campaign):
    """Volumes (A^3), which tell the iterations' frames apart."""
    return [atoms.get_volume() for atoms in Dataset.load(campaign.doc.dataset)]


def test_a_campaign_has_all_its_frames_and_iterations(narrow, jobstore, clean_dir):
    campaign = run_trivial_campaign(jobstore, 10)
    assert len(campaign.doc.dataset) < 6
    expected = [bulk("Cu", a=3.6 + 0.001 * number).get_volume() for number in range(10)]
    assert sizes(campaign) == pytest.approx(expected)
    assert list(campaign.iterations.index) == list(range(1, 11))
    assert len(campaign.doc.evidence) == 10
    assert (
        campaign.doc.state.starts.uuid != campaign.doc.state.shards.levels[-1][0].uuid
    )
    again = run_trivial_campaign(jobstore, 13, campaign=campaign)
    assert sizes(again)[:10] == pytest.approx(expected)
    assert len(sizes(again)) == len(again.iteration_docs) == 13


def test_joining_that_fails_changes_nothing(narrow, jobstore, clean_dir, monkeypatch):
    monkeypatch.delattr(compaction, "Dataset")
    campaign = run_trivial_campaign(jobstore, 5)
    assert campaign.doc.stop_kind == "max_iterations"
    assert len(campaign.doc.dataset) == len(sizes(campaign)) == 5
