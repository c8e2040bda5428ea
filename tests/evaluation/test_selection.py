"""Who is chosen, who is audited, and who is left alone."""

import numpy as np
import pytest

from flowpot.evaluation import SelectionRules, audit, calibrate, select


@pytest.fixture
def calibration():
    e = np.linspace(0.01, 0.2, 40)
    spread = {"energy": e, "forces": e, "stress": e}
    return calibrate(spread, spread, {"energy": 0.1, "forces": 0.1, "stress": 0.1})


def spread(forces, **others):
    calm = np.zeros(len(forces))
    return {"energy": calm, "forces": np.array(forces), "stress": calm} | others


def test_over_threshold_in_any_property(calibration, rng):
    d = spread([0.2, 0.0, 0.0], stress=np.array([0.0, 0.2, np.nan]))
    chosen = select(d, calibration, rng=rng, rules=SelectionRules(audit_min=0))
    assert chosen.selected.tolist() == [0, 1]
    assert chosen.n_over == 2
    assert chosen.selected_probability == 1


def test_wrecked_and_insane_frames_are_counted_not_chosen(calibration, rng):
    chosen = select(spread([0.2, 50.0, np.nan, 0.0]), calibration, rng=rng)
    assert chosen.selected.tolist() == [0]
    assert (chosen.n_wrecked, chosen.n_insane, chosen.n_over) == (1, 1, 2)


def test_known_frames_are_not_chosen_again(calibration, rng):
    free = np.array([False, True])
    chosen = select(spread([0.2, 0.2]), calibration, rng=rng, candidates=free)
    assert chosen.selected.tolist() == [1]


def test_limits_and_probabilities(calibration, rng):
    d = spread([0.2] * 100 + [0.0] * 100)
    rules = SelectionRules(max_selected=20)
    chosen = select(d, calibration, rng=rng, rules=rules)
    assert len(chosen.selected) == 20
    assert chosen.selected_probability == pytest.approx(0.2)
    assert len(chosen.audit) == 10
    assert chosen.audit_probability == pytest.approx(0.1)
    assert (chosen.selected < 100).all()
    assert (chosen.audit >= 100).all()


def test_budget_holds_the_audit_too(calibration, rng):
    d = spread([0.2] * 100 + [0.0] * 100)
    chosen = select(d, calibration, rng=rng, budget=12)
    assert len(chosen.selected) + len(chosen.audit) == 12
    none = select(d, calibration, rng=rng, budget=-3)
    assert len(none.selected) + len(none.audit) == 0


def test_finding_nothing_triggers_a_full_audit(calibration, rng):
    chosen = select(spread([0.0] * 200), calibration, rng=rng)
    assert len(chosen.selected) == 0
    assert len(chosen.audit) == SelectionRules().audit_max


def test_same_seed_same_frames(calibration):
    d = spread([0.2] * 100)
    rules = SelectionRules(max_selected=10)
    first, second, other = (
        select(d, calibration, rules=rules, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first.selected.tolist() == second.selected.tolist()
    assert first.selected.tolist() != other.selected.tolist()


@pytest.mark.parametrize(
    "wrong", [{"audit_fraction": 2}, {"audit_min": 60}, {"upper_factor": 1.0}]
)
def test_bad_rules_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SelectionRules(**wrong)


def test_audit_counts_and_bounds():
    tolerance = {"energy": 0.1, "forces": 0.1}
    calm = np.zeros(30)
    forces = calm.copy()
    forces[:3] = 0.2
    result = audit({"energy": calm, "forces": forces}, tolerance)
    assert (result.n, result.n_bad) == (30, 3)
    assert 0.1 < result.upper_limit < 0.25
    clean = audit({"energy": calm, "forces": calm}, tolerance)
    assert clean.upper_limit < 0.07  # Jeffreys, n = 30, k = 0: 0.062
    nothing = audit({"energy": calm[:0], "forces": calm[:0]}, tolerance)
    assert nothing.upper_limit == 1
