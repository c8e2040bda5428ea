"""Which BLAS pw.x loads, by the libraries of this machine."""

from pathlib import Path

import pytest

from flowpot.cli.doctor import _pw
from flowpot.labelling.espresso.blas import reference_blas
from flowpot.labelling.espresso.command import PwCommand


@pytest.fixture
def linked_to(monkeypatch):
    """Let pw.x load one of the libraries that Debian's packages install."""

    def load(name):
        folders = Path("/usr/lib").glob(f"*-linux-gnu/{name}/libblas.so.3")
        library = next(folders, None)
        if library is None:
            pytest.skip(f"no {name} here")
        monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
        return library

    return load


@pytest.mark.qe
def test_the_reference_implementation_is_found_and_said(linked_to):
    library = linked_to("blas")
    assert reference_blas("pw.x") == library.resolve()
    usable, slow = _pw()
    assert (usable.state, slow.state) == ("ok", "warn")
    assert "libopenblas0-serial" in slow.remedy


@pytest.mark.qe
def test_an_optimised_one_is_not(linked_to):
    linked_to("openblas-serial")
    assert reference_blas("pw.x") is None
    assert [check.state for check in _pw()] == ["ok"]


def test_of_what_is_no_linked_program_nothing_is_known(tmp_path, monkeypatch):
    script = tmp_path / "pw.x"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    assert reference_blas(str(script)) is None
    assert reference_blas("no-such-program") is None
    monkeypatch.setenv("PATH", str(tmp_path))  # no ldd
    assert reference_blas("pw.x") is None


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("pw.x", "pw.x"),
        ("mpirun -np 4 /opt/qe/bin/pw.x -nk 2", "/opt/qe/bin/pw.x"),
        ("docker run qe", None),
    ],
)
def test_the_program_of_a_command(line, program):
    assert PwCommand(line).program == program
