"""Who is chosen, who is audited, and who is left alone."""

import numpy as np
import pytest

from flowpot.evaluation import (
    Descriptors,
    SelectionRules,
    calibrate,
    disagreement,
    select,
)


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
    assert chosen.selected_probability.tolist() == [1, 1]


def test_wrecked_and_insane_frames_are_counted_not_chosen(calibration, rng):
    chosen = select(spread([0.2, 50.0, np.nan, 0.0]), calibration, rng=rng)
    assert chosen.selected.tolist() == [0]
    assert (chosen.n_wrecked, chosen.n_insane, chosen.n_over) == (
        1,
        1,
        3,
    )  # NaN is over


def test_known_frames_are_not_chosen_again(calibration, rng):
    free = np.array([False, True])
    chosen = select(spread([0.2, 0.2]), calibration, rng=rng, candidates=free)
    assert chosen.selected.tolist() == [1]


def test_limits_and_probabilities(calibration, rng):
    d = spread([0.2] * 100 + [0.0] * 100)
    rules = SelectionRules(max_selected=20)
    chosen = select(d, calibration, rng=rng, rules=rules)
    assert len(chosen.selected) == 20
    assert chosen.selected_probability == pytest.approx(np.full(20, 0.2))
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


@pytest.mark.parametrize("budget", [50, 7, 2])
def test_the_last_labels_are_shared(calibration, rng, budget):
    """Four hundred are flagged, five hundred accepted: most labels are to learn."""
    d = spread([0.2] * 400 + [0.0] * 500)
    chosen = select(d, calibration, rng=rng, budget=budget)
    assert len(chosen.audit) == budget // 3
    assert len(chosen.selected) == budget - budget // 3
    few = select(spread([0.2] * 3 + [0.0] * 500), calibration, rng=rng, budget=budget)
    assert len(few.selected) + len(few.audit) == budget


def test_finding_nothing_triggers_a_full_audit(calibration, rng):
    chosen = select(spread([0.0] * 200), calibration, rng=rng)
    assert len(chosen.selected) == 0
    assert len(chosen.audit) == SelectionRules().audit_max


@pytest.mark.parametrize("method", ["diverse", "top"])
def test_only_drawn_frames_have_a_probability(calibration, rng, method):
    ratio = np.linspace(0.2, 0.4, 100)
    points = Descriptors(rng.normal(size=(100, 3)), rng.normal(size=(5, 3)))
    rules = SelectionRules(max_selected=20, method=method)
    chosen = select(
        spread(ratio), calibration, rng=rng, rules=rules, descriptors=points
    )
    assert len(set(chosen.selected)) == 20
    drawn = np.isfinite(chosen.selected_probability)
    assert drawn.sum() == rules.audit_min
    assert chosen.selected_probability[drawn] == pytest.approx(np.full(5, 0.05))
    everything = select(
        spread(ratio[:9]), calibration, rng=rng, rules=rules, descriptors=points
    )
    assert everything.selected_probability.tolist() == [1] * 9


def test_weighted_frames_are_drawn_with_the_chance_that_they_state(calibration):
    """In as many of 400 draws; larger errors come more often, none hardly ever."""
    ratio = np.concatenate([np.linspace(0.2, 0.6, 40), [1.5], np.zeros(10)])
    rules = SelectionRules(max_selected=12, method="weighted", audit_fraction=0)
    hits, stated, draws = np.zeros(len(ratio)), np.zeros(len(ratio)), 400
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        chosen = select(spread(ratio), calibration, rng=rng, rules=rules)
        assert len(set(chosen.selected)) == 12
        hits[chosen.selected] += 1
        stated[chosen.selected] = chosen.selected_probability
    assert stated.sum() == pytest.approx(12)
    deviation = np.sqrt(stated * (1 - stated) / draws)
    assert np.all(np.abs(hits / draws - stated) <= 4 * deviation + 1e-9)
    assert np.all(np.diff(stated[:41]) > 0)
    assert stated[:41].min() > 0.1 * 12 / 41


def test_top_takes_the_largest_excess_of_any_property(calibration, rng):
    stress = np.zeros(60)
    stress[7] = 1.5
    d = spread(np.linspace(0.2, 0.4, 60), stress=stress)
    rules = SelectionRules(max_selected=8, method="top", audit_fraction=0)
    chosen = select(d, calibration, rng=rng, rules=rules)
    assert chosen.selected.tolist() == [7, *range(53, 60)]


def test_diverse_frames_avoid_each_other_and_what_is_labelled(calibration, rng):
    """Four clusters, one of them labelled: one frame of each of the other three."""
    centres = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    cluster = np.repeat(np.arange(4), [70, 10, 10, 10])
    points = centres[cluster] + 0.1 * rng.normal(size=(100, 2))
    rules = SelectionRules(max_selected=3, method="diverse", audit_fraction=0)
    chosen = select(
        spread(np.full(100, 0.2)),
        calibration,
        rng=rng,
        rules=rules,
        descriptors=Descriptors(points, points[:1]),
    )
    assert sorted(cluster[chosen.selected]) == [1, 2, 3]


def test_diverse_without_descriptors_is_refused(calibration, rng):
    rules = SelectionRules(max_selected=3, method="diverse", audit_fraction=0)
    with pytest.raises(ValueError, match="there are no descriptors"):
        select(spread([0.2] * 20), calibration, rng=rng, rules=rules)


def test_the_selected_share_does_not_depend_on_size(
    calibration, make_frames, make_prediction, rng
):
    """At the same error of every atom, cells of 8 and of 216 atoms are alike."""
    sizes = [8] * 500 + [216] * 60
    frames = make_frames(sizes, rng)
    scale = np.where(rng.random(560) < 0.5, 0.2, 0.05)
    found = disagreement(make_prediction(frames, scale, rng), frames)
    forces = {"forces": calibration["forces"]}
    rules = SelectionRules(audit_fraction=0, upper_factor=50)
    chosen = select(found, forces, rng=rng, rules=rules).selected
    small, large = (chosen < 500).sum() / 500, (chosen >= 500).sum() / 60
    assert small == pytest.approx((scale[:500] == 0.2).mean(), abs=0.01)
    assert large == pytest.approx((scale[500:] == 0.2).mean(), abs=0.01)


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
    "wrong",
    [
        {"audit_fraction": 2},
        {"audit_min": 60},
        {"upper_factor": 1.0},
        {"method": "greedy"},
    ],
)
def test_bad_rules_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SelectionRules(**wrong)
