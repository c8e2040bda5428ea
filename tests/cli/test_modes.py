"""Options that a command would ignore in the mode that is asked for."""

import pytest
from typer.testing import CliRunner

from flowpot.cli import app

REFUSED = [
    (["--store", "s"], ["--store goes with --dry-run", "a run here", "--folder"]),
    (["--worker", "w"], ["--worker goes with --submit", "add --submit"]),
    (["--project", "p"], ["--project goes with --submit or --dry-run", "add --submit"]),
    (["--submit", "--store", "s"], ["--store goes", "by --submit", "(--project)"]),
    (["--submit", "--folder", "f"], ["--folder goes with a run here", "by --submit"]),
    (["--dry-run", "--folder", "f"], ["--folder goes", "by --dry-run", "leave it out"]),
    (["--dry-run", "--continue"], ["--continue goes with a run here or --submit"]),
    (["--dry-run", "--worker", "w"], ["--worker goes", "ignored by --dry-run"]),
    (["--dry-run", "--submit"], ["--submit and --dry-run", "give one"]),
    (["--dry-run", "--store", "s", "--project", "p"], ["--store and --project", "one"]),
    (["--schema"], ["FILE goes with", "ignored by --schema", "leave it out"]),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_run_refuses_what_it_would_ignore(options, words, clean_dir):
    (clean_dir / "cell.xyz").write_text(CELL)
    (clean_dir / "c.yaml").write_text("structures: cell.xyz\n")
    result = CliRunner().invoke(app, ["run", "c.yaml", *options])
    assert result.exit_code == 1, result.output
    said = " ".join(result.output.split())
    assert said.startswith("Cannot run the campaign: ")
    assert [word for word in words if word not in said] == []
    assert not (clean_dir / "c").exists()


CELL = """1
Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"
Cu 0.0 0.0 0.0
"""


@pytest.mark.parametrize("option", ["--max-labels", "--max-iterations"])
def test_the_schema_is_of_no_campaign(option):
    result = CliRunner().invoke(app, ["run", "--schema", option, "3"])
    assert result.exit_code == 1
    assert f"{option} goes with a run here" in " ".join(result.output.split())
    assert CliRunner().invoke(app, ["run", "--schema"]).output.startswith("{")


def test_an_option_that_is_given_its_default_is_given(clean_dir):
    """Not its value tells, but whether it is in the command."""
    result = CliRunner().invoke(app, ["status", "--interval", "10"])
    assert result.exit_code == 1
    assert "ignored by a single look: add --watch" in " ".join(result.output.split())
