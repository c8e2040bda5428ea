"""What a calibration is fitted to, where part of the frames lack something."""

import io

import numpy as np
import pytest

from committee_simulation import Member, World, label, number_of
from error_laws import LAWS
from flowpot.evaluation import (
    CalibrationPool,
    Criteria,
    Evidence,
    calibrate,
    gather,
    judge,
)
from flowpot.potentials import Prediction

FULL = ("forces", "stress", "feature_distance")
BOTH = {"forces": 2.0, "stress": 2.0}


def frames(n, kind, names=FULL, *, n_molecules=0):
    """Return evidence of n frames, the first of which have no stress."""
    rng = np.random.default_rng(n)
    x = rng.lognormal(0, 0.8, n)
    error = 2 * x * rng.lognormal(0, 0.3, n)
    of_stress = np.where(np.arange(n) < n_molecules, np.nan, error)
    known = {name: x * rng.lognormal(0, 0.05, n) for name in names}
    if "stress" in known:
        known["stress"] = np.where(np.isnan(of_stress), np.nan, known["stress"])
    errors = {"forces": error, "stress": of_stress}
    return Evidence(known, errors, np.ones(n), f"{n} {kind}")


def fitted(pool, enough=30):
    best = pool.best(enough)
    fits = calibrate(
        best.disagreement, best.error, BOTH, rule="chance", worth=best.worths
    )
    return best, fits


def test_frames_that_lack_an_uncertainty_do_not_stand_in_for_others():
    """Predicted by an earlier committee, before the uncertainty was measured."""
    remembered = frames(40, "remembered", ("forces", "stress"))
    pool = CalibrationPool(frames(5, "new"), remembered, frames(60, "augmented"))
    best, fits = fitted(pool)
    fit = fits["forces"]
    assert "feature_distance" in fit.error_model.names
    assert (fit.n, fit.effective_n) == (65, pytest.approx(30))
    assert best.used_for("forces").origin == "5 new and 60 augmented"
    assert best.origin == "5 new and 60 augmented"
    assert len(best) == 65


def test_an_uncertainty_that_is_not_measured_now_is_not_missed():
    remembered = frames(40, "remembered", ("forces", "stress"))
    pool = CalibrationPool(frames(5, "new"), remembered)
    best = pool.best(30, measured=("forces", "stress"))
    assert set(best.disagreement) == {"forces", "stress"}
    assert best.used_for("forces").origin == "5 new and 40 remembered"
    assert best.used_for("forces").worth.sum() == pytest.approx(40)


def test_each_property_is_filled_up_by_itself():
    explored = frames(40, "explored", n_molecules=38)
    best, fits = fitted(CalibrationPool(explored, None, frames(60, "augmented")))
    assert fits["forces"].n == fits["forces"].effective_n == 40
    assert best.used_for("forces").origin == "40 explored"
    assert (fits["stress"].n, fits["stress"].effective_n) == (62, pytest.approx(30))
    assert best.used_for("stress").origin == "2 of 40 explored and 60 augmented"
    # So it is in the file that reports are made of.
    stored = np.load(io.BytesIO(best.to_bytes()))
    assert stored["worth_stress"][40:].sum() == pytest.approx(28)
    assert stored["worth_forces"][40:].sum() == 0


def test_a_property_that_the_explored_frames_lack_is_calibrated_all_the_same():
    """Error bars of the stress then hold, on frames like those of the fit."""
    covered = []
    for n in range(60, 80):
        explored = frames(40, "molecules", n_molecules=40)
        _, fits = fitted(CalibrationPool(explored, None, frames(n, "augmented")))
        rng = np.random.default_rng([n, 1])
        x = rng.lognormal(0, 0.8, 500)
        seen = {name: x * rng.lognormal(0, 0.05, 500) for name in FULL}
        bar = fits["stress"].error_bar(seen, "stress", 0.95)
        covered.append((2 * x * rng.lognormal(0, 0.3, 500) <= bar).mean())
    assert 0.92 <= np.mean(covered) <= 0.98


def test_evidence_without_anything_usable_is_named():
    molecules = frames(4, "molecules", n_molecules=4)
    best, fits = fitted(CalibrationPool(molecules))
    assert list(fits) == ["forces"]
    nothing = frames(4, "molecules", ("stress",), n_molecules=4)
    best, fits = fitted(CalibrationPool(nothing))
    assert (best.origin, fits) == ("4 molecules", {})
    with pytest.raises(ValueError, match="no labelled frame"):
        CalibrationPool(None).best(30)


def n_like(pool, seen, n_drawn=40):
    return pool.n_like(seen.disagreement, BOTH, n_drawn=n_drawn)


def test_explored_frames_count_that_have_what_those_judged_have():
    judged = frames(400, "judged", n_molecules=200)
    explored = CalibrationPool(frames(12, "explored", n_molecules=8))
    assert n_like(explored, judged) == pytest.approx(8)  # 4 crystals among 8 frames
    assert n_like(explored, frames(400, "molecules", n_molecules=400)) == 12
    rare = frames(400, "judged", n_molecules=395)  # a pilot of 40 would have none
    assert n_like(explored, rare) == 12
    assert n_like(explored, judged, n_drawn=0) == np.inf
    past = CalibrationPool(
        frames(5, "new"), frames(40, "remembered", ("forces", "stress"))
    )
    assert n_like(past, frames(100, "judged")) == 5
    assert n_like(past, frames(100, "judged", ("forces", "stress"))) == 45
    assert n_like(CalibrationPool(None, None, frames(9, "augmented")), judged) == 0


class OfMolecules(Member):
    """It has no stress of the first frames."""

    n_molecules = 80

    def evaluate_graph(self, graph):
        found = super().evaluate_graph(graph)
        stress = found.stress.copy()
        stress[graph < self.n_molecules] = np.nan
        return Prediction(energy=found.energy, forces=found.forces, stress=stress)


def test_a_pilot_is_drawn_where_the_explored_frames_lack_a_property():
    """The frames labelled are molecules, those judged are crystals."""
    world = World(LAWS["narrow"])
    tolerance = float(np.quantile(world.table(0)[1], 0.9))
    split = np.array(["train", "val"] * 40, dtype=object)
    molecules = label(world.explore(80).with_info(split=split))
    molecules = molecules.with_labels(stress=np.full((80, 3, 3), np.nan))
    crystals = world.explore(200)
    assert number_of(crystals.cell).min() == OfMolecules.n_molecules
    members = [OfMolecules(world, 0, sign) for sign in (-1.0, 1.0)]
    pilots = {}
    for name in ("forces", "stress"):
        criteria = Criteria(
            {"forces": tolerance, name: tolerance}, uncertainties=[], closing_audit=0
        )
        pilots[name] = judge(members, molecules, crystals, criteria).n_pilot
    assert pilots == {"forces": 0, "stress": 40}
    assert len(gather(members, molecules, []).unseen) == 40
