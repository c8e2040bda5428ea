"""Each fenced block of what people read is run by a test, or says why it is not."""

import re
from pathlib import Path

import pytest

from markdown_blocks import EXECUTED, RUN_BY, blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("tutorials/**/*.md"))
)
NOT_RUN = {
    ("README.md", ""): "a drawing of the loop",
    ("CONTRIBUTING.md", ""): "a drawing of what imports what",
}
"""Blocks of other languages, by page and language, and why nobody runs them."""
USED_AS = {"pyproject.toml": "pip install ."}
"""How a saved file is used where its name is not written again."""


@pytest.mark.parametrize("page", PAGES)
def test_somebody_runs_it(page):
    for language, text in blocks(ROOT / page):
        if language in EXECUTED:
            assert page in RUN_BY, f"nobody runs:\n{text}"
        elif language.startswith("{literalinclude}"):
            script = f"tutorials/{language.split()[1]}"
            assert script in RUN_BY, f"nobody runs {script}"
        elif not language.startswith("{"):  # a directive: the site is built
            assert (page, language) in NOT_RUN, f"a block of {language!r}:\n{text}"


@pytest.mark.parametrize(("page", "test"), RUN_BY.items())
def test_it_is_run_where_it_is_said_to_be(page, test):
    text = (ROOT / test).read_text()
    if page.endswith(".py"):
        assert f'load("{Path(page).stem}")' in text
    else:
        assert "run_blocks(" in text
        assert Path(page).name in text or "in RUN_BY.items()" in text


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_block_writes_is_used(page):
    """A block of YAML or TOML without a name would be neither saved nor run."""
    page_text = (ROOT / page).read_text()
    for language, text in blocks(ROOT / page):
        first = text.partition("\n")[0]
        if language in {"yaml", "toml"}:
            assert re.fullmatch(r"# \S+\.(yaml|toml)", first), f"of no file:\n{text}"
        if re.fullmatch(r"# \S+\.(yaml|toml|py)", first):
            name = first[2:]
            module = name.removesuffix(".py").replace("/", ".")
            rest = page_text.replace(text, "")
            assert USED_AS.get(name, module) in rest, f"{name} is for nothing"


@pytest.mark.parametrize("page", PAGES)
def test_what_is_skipped_has_a_reason(page):
    for skip in re.findall(r"<!-- skip: (.*?) -->", (ROOT / page).read_text()):
        assert re.fullmatch(r'next (".+"|if\(\w+, reason=".+"\))', skip), skip
