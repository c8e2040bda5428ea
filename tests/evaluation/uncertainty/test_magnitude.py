"""The size of the predicted forces as an uncertainty."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from committee_simulation import (
    Member,
    World,
    forces_of,
    label,
    number_of,
)
from error_laws import LAWS
from flowpot.evaluation import CommitteeCalculator, Criteria, judge, spread_over
from flowpot.evaluation.uncertainty.magnitude import magnitude_of_atoms
from flowpot.potentials import Prediction


class TooStiff(Member):
    """All members agree about forces that are too large by a tenth."""

    def evaluate_graph(self, graph):
        own = self.sign * self.spread[graph]
        n = len(graph)
        forces = 1.1 * forces_of(graph) + np.repeat(own, 2)[:, None]
        return Prediction(np.zeros(n), forces, np.zeros((n, 3, 3)))


def test_errors_that_all_members_share_are_seen():
    world = World(LAWS["narrow"])
    members = [TooStiff(world, 0, sign) for sign in (-1.0, 1.0)]
    audit = np.full(40, "audit", dtype=object)
    labelled = label(world.explore(40).with_info(split=audit))
    explored = world.explore(200)
    criteria = Criteria({"forces": 2.0}, pilot_labels=0, closing_audit=0)
    fit = judge(members, labelled, explored, criteria).calibration["forces"]
    seen = spread_over(members, explored).disagreement
    true = 0.1 * forces_of(number_of(explored.cell))[::2, 0]
    assert abs(spearmanr(seen["forces"], true)[0]) < 0.2
    assert spearmanr(fit.chance_over(seen, "forces"), true)[0] > 0.95


def test_the_calculator_has_the_error_bars_of_the_evaluation():
    world = World(LAWS["narrow"])
    members = [TooStiff(world, 0, sign) for sign in (-1.0, 1.0)]
    labelled = label(world.explore(40).with_info(split=np.full(40, "audit", object)))
    new = world.explore(3)
    criteria = Criteria({"forces_max": 2.0}, pilot_labels=0, closing_audit=0)
    calibration = judge(members, labelled, new, criteria).calibration
    fit = calibration["forces_max"]
    assert "force_magnitude" in fit.error_model.names
    expected = fit.error_bar(spread_over(members, new).disagreement, "forces_max")
    calculator = CommitteeCalculator(members, calibration)
    for atoms, bar in zip(new, expected, strict=True):
        calculator.calculate(atoms)
        assert calculator.results["forces_max_error"] == pytest.approx(bar)


def test_forces_that_vanish_do_not_promise_anything():
    forces = np.array([[0.0, 0, 0], [1e-9, 0, 0], [3.0, 0, 0]])
    magnitude = magnitude_of_atoms(forces)["force_magnitude"]
    assert magnitude == pytest.approx([1e-3, 1e-3, np.sqrt(3 + 1e-6)])
