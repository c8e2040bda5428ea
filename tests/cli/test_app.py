"""What the command line says when it cannot go on."""

import logging
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import flowpot
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


def test_the_commands_import_what_they_need_when_they_run():
    heavy = ("jobflow", "matplotlib", "numpy", "pymongo", "torch")
    code = (
        f"import sys, flowpot.cli; sys.exit(not sys.modules.keys().isdisjoint({heavy}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_FILES = {
    "iron.xyz": """2
Lattice="2.8 0 0 0 2.8 0 0 0 2.8" Properties=species:S:1:pos:R:3:magmoms:R:1
Fe 0 0 0 2.2
Fe 1.4 1.4 1.4 2.2
""",
    "campaign.yaml": """
preset: smoke
structures: [iron.xyz]
labelling: {static_maker: {pseudo_family: debian-pbe}}
""",
}


@pytest.mark.parametrize("verbose", [False, True])
def test_what_is_not_read_is_said_and_what_packages_warn_of_is_not(tmp_path, verbose):
    for name, text in _FILES.items():
        (tmp_path / name).write_text(text)
    options = ["--verbose"] if verbose else []
    command = [sys.executable, "-m", "flowpot", *options, "run", "campaign.yaml"]
    command += ["--dry-run"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    said = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert any("the column 'magmoms' is not read" in line for line in said)
    assert len(said) == 1 or verbose, said


@pytest.mark.parametrize("verbose", [False, True])
def test_names_of_remedies_are_not_printed(verbose):
    options = ["--verbose"] if verbose else []
    CliRunner().invoke(app, [*options, "pseudos", "list"])
    custodian = logging.getLogger("custodian.custodian")
    assert custodian.isEnabledFor(logging.ERROR) == verbose


def test_the_version_is_that_of_the_installed_package():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"flowpot {version('flowpot')}\n"
    assert flowpot.__version__ == version("flowpot")


def test_pseudos_list_and_check():
    listed = CliRunner().invoke(app, ["pseudos", "list"])
    assert "debian-pbe" in listed.output
    assert " -1 " not in listed.output  # of what is not installed nothing is known
    checked = CliRunner().invoke(app, ["pseudos", "check", "debian-pbe"])
    assert checked.exit_code == 0
    assert "complete" in checked.output


def test_pseudos_check_names_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_PSEUDO_DIR", str(tmp_path))
    family = "sssp-1.3-pbe-efficiency"
    result = CliRunner().invoke(app, ["pseudos", "check", family])
    assert result.exit_code == 1
    assert "missing: Ac Ag Al" in result.output
    assert f"flowpot pseudos install {family}" in result.output


def test_pseudos_install_says_why_it_cannot(tmp_path):
    result = CliRunner().invoke(
        app, ["pseudos", "install", "debian-pbe", "--folder", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert "has no archive" in " ".join(result.output.split())


def test_pseudos_install_without_a_network_or_a_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FLOWPOT_PSEUDO_DIR", raising=False)
    (tmp_path / "empty.yaml").touch()
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(tmp_path / "empty.yaml"))
    install = ["pseudos", "install", "sssp-1.3-pbe-precision"]
    result = CliRunner().invoke(app, install)
    assert result.exit_code == 1
    assert "export FLOWPOT_PSEUDO_DIR=" in " ".join(result.output.split())
    install += ["--folder", str(tmp_path), "--url", "http://127.0.0.1:9/sssp.tar.gz"]
    result = CliRunner().invoke(app, install)
    assert result.exit_code == 1
    assert "cannot be had" in result.output
    assert "give --url of a mirror" in " ".join(result.output.split())


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "flowpot", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"flowpot {version('flowpot')}\n"
