"""Remedies on runs that really fail."""

from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from flowpot.labelling.espresso.handlers import (
    DiagonalisationHandler,
    UnconvergedScfHandler,
)
from flowpot.labelling.espresso.namelists import read_parameters

pytestmark = pytest.mark.qe

NO_MEMORY = (
    "In file 'scf_mod.f90', around line 137: Error allocating 5832000 bytes: "
    "Cannot allocate memory"
)
"""What pw.x says under a limit of memory, word by word."""


@pytest.fixture
def label(pair, cheap, tmp_path):
    """Label the pair with other settings."""

    def labelled(atoms=pair, **settings):
        namelists = {name.upper(): values for name, values in settings.items()}
        namelists["SYSTEM"] = {"ecutwfc": 12.0, **namelists.get("SYSTEM", {})}
        maker = replace(cheap, user_settings=namelists)
        return maker.label_in(atoms, tmp_path / "run")

    return labelled


@pytest.fixture
def wrapped(tmp_path, monkeypatch):
    """Put a shell script in pw.x's place, which knows whether it runs first."""

    def install(body: str, launcher: str = "") -> Path:
        script = tmp_path / "wrapped" / "pw.x"
        script.parent.mkdir(exist_ok=True)
        flag = tmp_path / "has-run"
        first = f"first() {{ [ ! -e {flag} ] && touch {flag}; }}"
        script.write_text(f'#!/bin/bash\n{first}\n{body}\nexec pw.x "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("FLOWPOT_PW_CMD", f"{launcher} {script}".strip())
        return script

    return install


def corrections(document) -> list[tuple[str, list[str]]]:
    """What was changed, by whom."""
    return [
        (correction.handler, correction.actions) for correction in document.corrections
    ]


def test_bands_that_pw_refuses(label):
    document = label(system={"nbnd": 2})
    assert corrections(document) == [
        ("TooFewBandsHandler", ["nbnd = pw.x's own choice"])
    ]
    assert document.output.energy == pytest.approx(label().output.energy, abs=1e-7)


def test_a_highest_band_that_is_not_empty(label):
    """pw.x succeeds with it, and is wrong by 80 meV."""
    document = label(system={"nbnd": 4, "degauss": 0.1})
    assert corrections(document) == [("TooFewBandsHandler", ["nbnd = 8"])]
    assert document.errors == []
    reference = label(system={"degauss": 0.1})
    assert document.output.energy == pytest.approx(reference.output.energy, abs=1e-6)


@pytest.mark.slow  # its limit is a share of a measured time: wants a quiet machine
def test_a_clean_stop_is_gone_on_from(label, pair):
    large = pair * (2, 2, 1)
    system = {"ecutwfc": 20.0}
    reference = label(large, system=system)
    # Less than this machine needs, however busy it is.
    short = 0.7 * reference.run.wall_seconds
    document = label(large, system=system, control={"max_seconds": short})
    assert document.state == "successful"
    assert ("WalltimeHandler", ["restart_mode = restart"]) in corrections(document)
    assert document.run.n_starts >= 2
    assert document.output.energy == pytest.approx(reference.output.energy, abs=1e-6)


def test_an_eigensolver_that_fails_is_changed(pair, cheap, tmp_path):
    """The error box is written by hand: the real ones are rare."""
    cheap.get_input_set(pair).write(tmp_path)
    line = "%" * 80
    box = f"{line}\n     Error in routine  cdiaghg (159):\n     problems\n{line}\n"
    (tmp_path / "pw.out").write_text(f"     Program PWSCF v.6.7MaX starts\n {box}")
    handler = DiagonalisationHandler()
    for solver in ("ppcg", "paro", "cg"):
        assert handler.check(tmp_path)
        done = handler.correct(tmp_path)
        assert done == {
            "errors": ["cdiaghg: problems"],
            "actions": [f"diagonalization = {solver}"],
        }
        assert read_parameters(tmp_path)["electrons"]["diagonalization"] == solver
    assert handler.correct(tmp_path)["actions"] is None


@pytest.mark.parametrize("solver", DiagonalisationHandler.solvers)
def test_every_solver_gives_the_same_label(label, solver):
    energy = label(electrons={"diagonalization": solver}).output.energy
    assert energy == pytest.approx(label().output.energy, abs=1e-7)


def test_a_crash_without_a_word_is_tried_again(label, wrapped):
    reference = label().output.energy
    wrapped("first && exit 1")
    document = label()
    assert corrections(document) == [("CrashHandler", ["run again"])]
    assert document.corrections[0].errors == ["pw.x died without a message"]
    assert document.run.n_starts == 2
    assert document.output.energy == pytest.approx(reference, abs=1e-7)


def test_a_segmentation_fault_is_tried_again_once(label, wrapped, pair):
    """Of the real pw.x, in the middle of its work."""
    begun = 'until grep -qs "iteration #  1" pw.out; do sleep 0.01; done'
    crash = f'pw.x "$@" & p=$!; {begun}; kill -SEGV $p; wait $p; exit $?'
    wrapped(f"if first; then {crash}; fi")
    document = label(pair * (2, 1, 1), system={"ecutwfc": 30.0})
    assert corrections(document) == [("CrashHandler", ["run again"])]
    assert "SIGSEGV" in document.corrections[0].errors[0]
    assert "#0" not in document.corrections[0].errors[0]

    wrapped(crash)
    document = label(pair * (2, 1, 1), system={"ecutwfc": 30.0})
    assert document.state == "failed"
    assert "SIGSEGV" in document.errors[0]
    assert document.errors[1] == "CrashHandler gave up after 1 remedies"


def test_an_allocation_that_fails(label, wrapped):
    """pw.x gets less memory than it needs, and says so on the error stream."""
    # Not with a limit of memory: some BLAS libraries wait under one, for ever.
    wrapped(f'first && echo "{NO_MEMORY}" >&2 && exit 1')
    document = label()
    assert corrections(document) == [
        ("OutOfMemoryHandler", ["diago_david_ndim = 2", "mixing_ndim = 4"])
    ]
    assert "Cannot allocate memory" in document.corrections[0].errors[0]
    assert document.state == "successful", document.errors


@pytest.mark.skipif(which("mpirun.openmpi") is None, reason="no Open MPI launcher")
def test_pools_that_do_not_fit_are_given_up(label, wrapped):
    """Each pool holds a density of its own: 2 pools find no memory, 1 does."""
    reference = label().output.energy
    wrapped(
        f'[[ " $* " == *" -nk 2 "* ]] && echo "{NO_MEMORY}" >&2 && exit 1',
        "mpirun.openmpi --allow-run-as-root --oversubscribe -np 2",
    )
    document = label()
    assert document.state == "successful", document.errors
    assert corrections(document) == [("OutOfMemoryHandler", ["one pool of k-points"])]
    assert document.input.command.endswith("wrapped/pw.x -nd 1")
    assert document.output.energy == pytest.approx(reference, abs=1e-7)


@pytest.mark.parametrize(
    ("last", "mode", "start"),
    [(933.8, "local-TF", None), (1e-6, None, "file")],
    ids=["sloshing", "slow"],
)
def test_a_density_worse_than_the_first_is_given_up(
    pair, cheap, tmp_path, last, mode, start
):
    """As of a 24-layer slab of aluminium, which takes minutes: see the benchmarks."""
    cheap.get_input_set(pair).write(tmp_path)
    lines = [f"  estimated scf accuracy    <  {value:.8f} Ry" for value in (6.2, last)]
    end = "  convergence NOT achieved after  80 iterations: stopping\n   JOB DONE."
    (tmp_path / "pw.out").write_text("\n".join([*lines, end]))
    handler = UnconvergedScfHandler()
    assert handler.check(tmp_path)
    handler.correct(tmp_path)
    electrons = read_parameters(tmp_path)["electrons"]
    assert electrons["mixing_beta"] == pytest.approx(0.32)
    assert electrons.get("mixing_mode") == mode
    assert electrons.get("startingpot") == start
