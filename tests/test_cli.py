"""What the command line says when it cannot go on."""

import pytest
from typer.testing import CliRunner

from flowpot.cli import app


@pytest.fixture
def refused(clean_dir, monkeypatch):
    """Run the demo where something is missing; give what it printed."""

    def run(folder="demo", **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        result = CliRunner().invoke(app, ["demo", "--folder", str(folder)])
        assert result.exit_code == 1
        assert not (clean_dir / "demo" / "run").exists()
        return " ".join(result.output.split())

    return run


def test_no_pw(refused):
    said = refused(FLOWPOT_PW_CMD="no-such-pw.x")
    assert "'no-such-pw.x'" in said
    assert "install Quantum ESPRESSO" in said


def test_no_folder_to_write_to(refused, clean_dir):
    (clean_dir / "file").touch()
    said = refused(folder=clean_dir / "file" / "demo")
    assert "not writable" in said
    assert "another folder" in said


def test_help_is_quick_and_lists_the_commands():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "demo" in result.output
