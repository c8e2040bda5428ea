"""What README and tutorials 2 and 6 only begin, run to its end, as a reader would."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from flowpot import Campaign
from flowpot.campaign import embedded_store
from markdown_blocks import blocks, run_blocks

ROOT = Path(__file__).parents[2]
_ESPRESSO = 'EspressoStaticMaker(protocol="fast", pseudo_family="debian-pbe")'
_EMT = {"@module": "ase.calculators.emt", "@callable": "EMT"}
ALUMINIUM = [  # in the place of README's copper, by EMT
    ('"Cu"', '"Al"'),
    ("copper", "aluminium"),
    (_ESPRESSO, f"ForceFieldStaticMaker(force_field_name={_EMT})"),
]
LIGHT = [  # GPAW with one or two k-points along an axis, and one iteration
    ("{name: pw, ecut: 400}", "{name: pw, ecut: 250}"),
    ("kpts: {density: 2.5", "kpts: {density: 1.0"),
    ('"kpts": {"density": 2.5', '"kpts": {"density": 1.0'),
    ("structures: [silicon.cif]", "structures: [silicon.cif]\nmax_iterations: 1"),
]

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(7200)]


def run_whole(page, folder, programs, file, short=()):
    """Run a page in a folder, its campaign's file without `--dry-run`."""
    planned = f"flowpot run {file} --dry-run"
    pairs = [*short, (planned, planned.removesuffix(" --dry-run"))]
    assert run_blocks(ROOT / "tutorials" / page, folder, pairs, programs) > 0
    return ended(folder / Path(file).stem / "store")


def ended(place):
    """Open the store of a campaign that went as it should, with a reason to end."""
    store = embedded_store(place)
    store.connect()
    campaign = Campaign.from_store(store)
    doc = campaign.doc
    assert doc.stop_kind in {"max_iterations", "max_labels", "converged"}, (
        doc.stop_reason
    )
    for iteration in doc.iterations:
        assert iteration.n_labelled > 0
        assert iteration.n_failed == 0
        assert iteration.n_explored > 0
    assert len(campaign.dataset()) == doc.iterations[-1].n_dataset
    return campaign


def test_the_small_example_of_readme_with_another_metal(clean_dir):
    found = [text for kind, text in blocks(ROOT / "README.md") if kind == "python"]
    (code,) = (text for text in found if "ActiveLearningMaker.preset(" in text)
    for ours, theirs in ALUMINIUM:
        assert ours in code
        code = code.replace(ours, theirs)
    exec(f"from atomate2.forcefields.jobs import ForceFieldStaticMaker\n{code}", {})
    campaign = ended(clean_dir / "aluminium-store")
    assert campaign.name == "aluminium"
    # The energy of isolated atoms is not what a few epochs learn: eV/atom.
    assert campaign.iterations["metrics.train.energy"].max() < 0.2


def test_composing(clean_dir, programs):
    campaign = run_whole("02_composing.md", clean_dir, programs, "copper.yaml")
    assert campaign.name == "copper from a file"


@pytest.mark.skipif(find_spec("gpaw") is None, reason="gpaw is not installed")
def test_bring_your_own_with_gpaw(clean_dir, programs):
    page = "06_bring_your_own.md"
    campaign = run_whole(page, clean_dir, programs, "gpaw.yaml", LIGHT)
    made = list((clean_dir / "gpaw/run/jobs").glob("*_gpaw-static"))
    assert all((folder / "gpaw.txt").exists() for folder in made)
    assert len(made) >= len(campaign.dataset())
