"""The tutorials that need no campaign: every block runs, from a folder of its own."""

from pathlib import Path

import pytest

from markdown_blocks import run_blocks

TUTORIALS = Path(__file__).parents[2] / "tutorials"
ELSEWHERE = {
    "01_first_campaign",
    "03_cluster",
    "04_the_database",
    "07_using_the_result",
}
"""Run where there is a campaign, or a queue; 04 has a script, which is run, too."""
GUIDES = ("troubleshooting",)

_INSTALL = "pip install --quiet --no-deps --no-build-isolation --target site ."
SHORT = {
    "05_fine_tuning": [('"foundation.model"', '"small"')],
    "06_bring_your_own": [  # not into the tests' own environment
        (
            "pip install .\n",
            f"{_INSTALL}\nexport PYTHONPATH=$PWD/site:${{PYTHONPATH:-}}\n",
        )
    ],
}
"""What is too long for a test, or not there: and what stands for it."""

NAMES = sorted(path.stem for path in TUTORIALS.glob("0*.md"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_every_block_runs(name, clean_dir):
    assert run_blocks(TUTORIALS / f"{name}.md", clean_dir, SHORT.get(name, ())) > 0


@pytest.mark.parametrize("name", GUIDES)
def test_every_block_of_a_guide_runs(name, clean_dir):
    assert run_blocks(TUTORIALS / "guides" / f"{name}.md", clean_dir) > 0


def test_no_tutorial_is_left_out():
    assert set(NAMES) >= ELSEWHERE
    with_blocks = {
        path.stem
        for path in (TUTORIALS / "guides").glob("*.md")
        if "```sh" in path.read_text() or "```python" in path.read_text()
    }
    assert with_blocks == set(GUIDES)
