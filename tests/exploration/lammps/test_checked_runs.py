"""Trajectories along which the whole committee is evaluated, in the real LAMMPS."""

import numpy as np
import pytest
from ase.calculators.morse import MorsePotential

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.script import Output
from flowpot.exploration.lammps.trajectory import read_disagreement

MORSE = {
    "calculator": "ase.calculators.morse.MorsePotential",
    "kwargs": {"epsilon": 0.35, "r0": 2.8, "rho0": 4.0, "rcut1": 4.5, "rcut2": 5.5},
}
EMT_DRIVER = {"calculator": "ase.calculators.emt.EMT", "kwargs": {}}


def calibration(threshold):
    return {
        "forces": {
            "slope": 1.0,
            "slope_interval": (0.9, 1.1),
            "r2": 1.0,
            "rank_correlation": 1.0,
            "tpr": 1.0,
            "ppv": 1.0,
            "tolerance": threshold,
            "threshold": threshold,
            "n": 100,
            "effective_n": 100,
            "trusted": True,
        }
    }


def test_committee_halts_where_its_disagreement_passes_the_bound(copper, simulate):
    conditions = Conditions("langevin", (50, 3000), n_steps=400)
    folder, outcome, frames = simulate(
        copper,
        conditions,
        Output(10, dense_interval=2),
        members=[EMT_DRIVER, MORSE],
        check_interval=4,
        calibration=calibration(0.05),
        upper_factor=4.0,
    )
    log = read_disagreement(folder / "disagreement.jsonl")
    assert outcome.halted == "disagreement in forces"
    assert log["step"].tolist() == list(range(0, outcome.n_steps + 1, 4))
    assert (log["forces"][:-1] <= 0.2).all()
    assert log["forces"][-1] > 0.2
    np.testing.assert_allclose(log["excess"], log["forces"] / 0.05)
    # While the predicted error is over the tolerance, every second step is kept.
    steps = frames.info["md_step"]
    worried = log["step"][:-1][log["excess"][:-1] > 1]
    assert len(worried) > 0
    assert np.isin(worried[worried > 0], steps).all()
    calm = log["step"][(log["excess"] < 1) & (log["step"] % 10 != 0)]
    assert not np.isin(calm, steps).any()


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_broken_member_is_named_before_the_first_step(
    copper, simulate, calibrated, monkeypatch
):
    """Its energy is NaN."""
    calculate = MorsePotential.calculate

    def broken(self, *arguments, **options):
        calculate(self, *arguments, **options)
        self.results["energy"] = np.nan

    monkeypatch.setattr(MorsePotential, "calculate", broken)
    _, outcome, _ = simulate(
        copper,
        Conditions(n_steps=20),
        members=[EMT_DRIVER, MORSE],
        check_interval=5,
        calibration=calibration(0.05) if calibrated else {},
    )
    assert outcome.n_steps == 0
    assert "member 1 of 2 (0 drives the run) predicts NaN" in outcome.error
    assert "leave it out" in outcome.error


def test_watching_changes_nothing(copper, simulate):
    alone = simulate(copper, Conditions(n_steps=20), folder="alone")[2]
    watched = simulate(
        copper,
        Conditions(n_steps=20),
        folder="watched",
        members=[MORSE, EMT_DRIVER],
        driving=1,
        check_interval=5,
    )[2]
    np.testing.assert_array_equal(alone.positions, watched.positions)
