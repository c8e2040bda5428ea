"""What tutorials 2 and 6 only plan, run to its end: whole pages, from their folder."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from flowpot import Campaign
from flowpot.campaign import embedded_store
from markdown_blocks import run_blocks

TUTORIALS = Path(__file__).parents[2] / "tutorials"
LIGHT = [  # of GPAW's settings: two k-points along an axis, one for the isolated atom
    ("{name: pw, ecut: 400}", "{name: pw, ecut: 250}"),
    ("kpts: {density: 2.5", "kpts: {density: 1.0"),
]

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(7200)]


def run_whole(page, folder, programs, file, short=()):
    """Run a page in a folder, its campaign's file without `--dry-run`."""
    planned = f"flowpot run {file} --dry-run"
    pairs = [*short, (planned, planned.removesuffix(" --dry-run"))]
    assert run_blocks(TUTORIALS / page, folder, pairs, programs) > 0
    store = embedded_store(folder / Path(file).stem / "store")
    store.connect()
    return Campaign.from_store(store)


def check(campaign):
    """Every iteration has labels, models and trajectories, and the end has a reason."""
    doc = campaign.doc
    assert doc.stop_kind in {"max_iterations", "max_labels", "converged"}, (
        doc.stop_reason
    )
    for iteration in doc.iterations:
        assert iteration.n_labelled > 0
        assert iteration.n_failed == 0
        assert iteration.n_explored > 0
    assert len(campaign.dataset()) == doc.iterations[-1].n_dataset


def test_composing(clean_dir, programs):
    campaign = run_whole("02_composing.md", clean_dir, programs, "copper.yaml")
    assert campaign.name == "copper from a file"
    check(campaign)


@pytest.mark.skipif(find_spec("gpaw") is None, reason="gpaw is not installed")
def test_bring_your_own_with_gpaw(clean_dir, programs):
    page = "06_bring_your_own.md"
    campaign = run_whole(page, clean_dir, programs, "gpaw.yaml", LIGHT)
    check(campaign)
    made = list((clean_dir / "gpaw/run/jobs").glob("*_gpaw-static"))
    assert all((folder / "gpaw.txt").exists() for folder in made)
    assert len(made) >= len(campaign.dataset())
