"""Remedies on runs that really fail."""

from dataclasses import replace

import pytest

from flowpot.labelling.espresso.handlers import DiagonalisationHandler
from flowpot.labelling.espresso.namelists import read_parameters

pytestmark = pytest.mark.qe


@pytest.fixture
def label(pair, cheap, tmp_path):
    """Label the pair with other settings."""

    def labelled(atoms=pair, **settings):
        namelists = {name.upper(): values for name, values in settings.items()}
        namelists["SYSTEM"] = {"ecutwfc": 12.0, **namelists.get("SYSTEM", {})}
        maker = replace(cheap, user_settings=namelists)
        return maker.label_in(atoms, tmp_path / "run")

    return labelled


def corrections(document) -> list[tuple[str, list[str]]]:
    """What was changed, by whom."""
    return [(each.handler, each.actions) for each in document.corrections]


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
    cheap.generator().get_input_set(pair).write(tmp_path)
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
