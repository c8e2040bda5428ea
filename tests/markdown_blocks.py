"""The blocks of a Markdown file, run one after the other as a reader pastes them."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

Short = Sequence[tuple[str, str]]
HERE = Path(sys.executable).parent

EXECUTED = ("python", "sh", "yaml", "toml")
"""Languages of the blocks that are run, or saved for those that are run."""

_CAMPAIGN = "tests/tutorials/test_campaign.py"
_ALONE = "tests/tutorials/test_markdown.py"
RUN_BY = {
    "README.md": _CAMPAIGN,
    "CONTRIBUTING.md": "tests/test_outside_package.py",
    "SECURITY.md": _ALONE,
    "tutorials/01_first_campaign.md": _CAMPAIGN,
    "tutorials/01_silicon.py": _CAMPAIGN,
    "tutorials/02_composing.md": _ALONE,
    "tutorials/03_cluster.md": "tests/integration/test_tutorial_cluster.py",
    "tutorials/04_query_the_store.py": _CAMPAIGN,
    "tutorials/05_fine_tuning.md": _ALONE,
    "tutorials/06_bring_your_own.md": _ALONE,
    "tutorials/07_using_the_result.md": _CAMPAIGN,
    "tutorials/08_alloys_and_magnets.md": _ALONE,
    "tutorials/09_coming_from.md": _ALONE,
    "tutorials/guides/troubleshooting.md": _ALONE,
}
"""Which test runs the blocks of a page, or a script that a page shows."""

_FENCE = re.compile(
    r"^(?P<ticks>`{3,}|~{3,}) *(?P<language>[^\n`]*?) *\n(?P<text>.*?)^(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)
_FILES = (".yaml", ".toml", ".py")

# `make demo` would run for ten minutes: whether there is such a target is looked at.
_SHELL = 'make() { command make -n -C "$REPOSITORY" "$@" > /dev/null; }\n'


def run_blocks(
    path: Path, folder: Path, short: Short = (), programs: Path = HERE
) -> int:
    """
    Run the blocks of a file in a folder, and count them.

    Python blocks share their names; each shell block has a shell of its own. Blocks of
    YAML, TOML and Python that begin with the name of a file, as a comment, are saved
    under it; such a Python block is not run. `<!-- skip: next "why" -->` skips a block;
    a condition may name ``no_gpaw`` and ``no_chgnet``.

    Parameters
    ----------
    path
        Markdown.
    folder
        Where they run.
    short
        Pairs: what is long in the text, and what stands for it here.
    programs
        Folder of the environment's programs: `flowpot`, `pip` and the others.
    """
    text = path.read_text()
    for long, brief in short:
        assert long in text, f"{path.name} has no {long!r} that could be shortened"
        text = text.replace(long, brief)
    copy = folder / f".{path.name}"
    copy.write_text(text)
    parsers = [
        SkipParser(),
        CodeBlockParser("python", _run_python),
        CodeBlockParser("sh", partial(_run_shell, programs)),
        CodeBlockParser("yaml", _keep),
        CodeBlockParser("toml", _keep),
    ]
    document = Document.parse(str(copy), *parsers)
    for package in ("chgnet", "gpaw"):
        document.namespace[f"no_{package}"] = find_spec(package) is None
    examples = list(document.examples())
    for example in examples:
        with suppress(SkipTest):  # of this block, not of those that follow
            example.evaluate()
    return len(examples)


def blocks(path: Path) -> list[tuple[str, str]]:
    """List all fenced blocks of a file: language and text."""
    return [
        (found["language"], found["text"])
        for found in _FENCE.finditer(path.read_text())
    ]


def write_files(path: Path) -> None:
    """Write the blocks that name a file into this folder; run nothing."""
    kinds = [CodeBlockParser(kind, _keep) for kind in ("python", "yaml", "toml")]
    for example in Document.parse(str(path), *kinds).examples():
        example.evaluate()


def _run_python(example: Example) -> None:
    if not _save(example):
        PythonEvaluator()(example)


def _run_shell(programs: Path, example: Example) -> None:
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{HERE}{os.pathsep}{os.environ['PATH']}",
        "REPOSITORY": str(Path(__file__).parents[1]),
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", _SHELL + example.parsed],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}\n{done.stderr}"


def _keep(example: Example) -> None:
    _save(example)  # an evaluator that returns something has failed


def _save(example: Example) -> bool:
    """Write a block to the file that its first line names; False: it names none."""
    first = example.parsed.partition("\n")[0]
    named = first.startswith("# ") and Path(first[2:]).suffix in _FILES
    if named:
        Path(first[2:]).write_text(example.parsed)
    return named
