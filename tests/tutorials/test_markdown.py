"""The pages that need no campaign: every block runs, from a folder of its own."""

from pathlib import Path

import pytest

from markdown_blocks import RUN_BY, run_blocks

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page, test in RUN_BY.items()
    if ROOT / test == Path(__file__) and page.startswith("tutorials/")
]
SHORT = {"tutorials/05_fine_tuning.md": [('"foundation.model"', '"small"')]}
"""What is too long for a test, or not there: and what stands for it."""


LONG = {"tutorials/02_composing.md", "tutorials/05_fine_tuning.md"}
"""Slow tests."""


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page in LONG)) for page in PAGES],
)
def test_every_block_runs(page, clean_dir, programs):
    assert run_blocks(ROOT / page, clean_dir, SHORT.get(page, ()), programs) > 0


def test_the_key_of_the_security_page_is_its_users_alone(clean_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(clean_dir))
    assert run_blocks(ROOT / "SECURITY.md", clean_dir) > 0
    key = clean_dir / ".flowpot-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text().strip()) == 64
