"""The input script, line by line where LAMMPS would not complain by itself."""

import numpy as np
import pytest
from ase import Atoms

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.script import Output, script, species_of

PERIODIC = (True, True, True)


def lines(conditions, pbc=PERIODIC, output=None, **more):
    start = Atoms("Cu3", np.eye(3), cell=np.eye(3), pbc=pbc)
    return script(conditions, output or Output(10), ["pair_style x"], start, **more)


def line(start, *arguments, **more):
    [found] = [x for x in lines(*arguments, **more) if x.startswith(start)]
    return found


def test_thermostat_and_barostat_relax_in_100_and_1000_steps():
    conditions = Conditions("npt", 300, (0, 5), timestep=0.5)
    assert line("fix motion", conditions) == (
        "fix motion all npt temp 300 300 0.05 "
        "x 0 5000 0.5 y 0 5000 0.5 z 0 5000 0.5 flip no"
    )
    assert line("timestep", conditions) == "timestep 0.0005"


@pytest.mark.parametrize(
    ("pbc", "barostat", "words"),
    [
        ((1, 1, 1), "iso", "x 0 0 1 y 0 0 1 z 0 0 1 couple xyz flip no"),
        ((0, 1, 1), "iso", "x 0 0 1 y 0 0 1 couple xy flip no"),
        ((0, 1, 0), "iso", "x 0 0 1 flip no"),
        ((1, 1, 0), "aniso", "x 0 0 1 y 0 0 1 flip no"),
        ((1, 1, 0), "tri", "x 0 0 1 y 0 0 1 xy 0.0 0.0 1 flip no"),
    ],
)
def test_barostats_by_periodicity(pbc, barostat, words):
    conditions = Conditions("auto", barostat=barostat)
    found = line("fix motion", conditions, np.array(pbc, bool))
    assert found == f"fix motion all npt temp 300 300 0.1 {words}"


def test_automatic_ensemble():
    assert Conditions().ensemble_for((False, True, False)) == "npt"
    assert Conditions().ensemble_for((False, False, False)) == "nvt"
    with pytest.raises(ValueError, match="no periodic axis"):
        Conditions("npt").ensemble_for((False, False, False))


def test_no_velocities_at_rest_and_no_heat_bath():
    cold = lines(Conditions("nvt", temperature=0))
    assert not any(x.startswith("velocity") for x in cold)
    assert "fix motion all nve" in cold


def test_seeds_fit_lammps_generators():
    for seed, used in ((0, 900_000_000), (1, 1), (900_000_001, 1), (2**31 - 2, None)):
        words = line("velocity", Conditions(seed=seed)).split()
        assert 1 <= int(words[4]) <= 900_000_000
        assert used is None or int(words[4]) == used


def test_intervals_are_whole_steps():
    """Bug B14: 0.57 ps at 0.001 ps once became 569 steps."""
    assert line("dump frames", Conditions(), output=Output(570)).split()[4] == "570"
    with pytest.raises(ValueError, match=r"sample_interval is 0\.5"):
        Output(0.5)


def test_resumed_run():
    again = lines(Conditions(n_steps=500), restart="restart.a")
    assert "read_restart restart.a" in again
    assert not any(x.startswith(("read_data", "velocity", "minimize")) for x in again)
    assert "run 500 upto start 0 stop 500" in again


def test_minimisation_comes_before_the_velocities():
    found = lines(Conditions(minimise=50))
    at = {x.split()[0]: i for i, x in enumerate(found)}
    assert at["minimize"] < at["reset_timestep"] < at["velocity"] < at["run"]


def test_one_order_of_species():
    assert species_of([52, 42, 52, 1]) == [1, 42, 52]
