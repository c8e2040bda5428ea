"""
Whole campaigns of committees whose law of error is known.

Every 95 % interval that is printed has to cover the truth in 90 to 98 % of cases, error
bars of 68 % have to hold, and no campaign may end as converged while what is accepted
is bad. The slow tests count in 200 campaigns.
"""

from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from committee_simulation import (
    SHARE,
    Iteration,
    Member,
    World,
    campaign,
    label,
    number_of,
    seen,
    true_error,
)
from error_laws import LAWS
from flowpot.dataset import Dataset
from flowpot.evaluation import Criteria, judge, spread_over

FAST, ALL = ("wide", "heavy tails"), tuple(LAWS)
FALLING = "two populations"  # the law by which errors fall as the spread grows
CAMPAIGNS = 8  # of each law and share of good frames, to see intervals
EACH = 14  # of each law, to see convergence: two hundred in all
GOOD = (0.1, 0.6, 0.8, 0.95, 0.97)
OPEN = (0.6, 0.8)  # of these, where an interval has room on both sides
LIMITED = 0.1  # share of bad frames: 30 audited ones never give a limit below 0.095


def tolerance_of(world: World, good: float) -> float:
    """Return the error that a share of frames is under, in the first generation."""
    return float(np.quantile(world.table(0)[1], good))


def covers(interval, value) -> bool:
    low, high = interval
    return low <= value <= (np.inf if high is None else high)


def printed(world: World, iteration: Iteration, tolerance: float) -> dict[str, bool]:
    """Return for each interval whether it holds the truth of the frames explored."""
    spread, error = (
        x[number_of(iteration.explored.cell)] for x in world.table(iteration.generation)
    )
    fit, audit = iteration.judgement.calibration["forces"], iteration.judgement.audit
    uncertainty = seen(world, iteration.generation, iteration.explored)
    flagged, bad = fit.excess(uncertainty, "forces") > 1, error > tolerance
    found = {"slope": covers(fit.slope_interval, np.exp(np.log(spread / error).mean()))}
    for who in (fit, audit):
        kind = type(who).__name__
        if bad.any() and who.tpr_interval:
            tpr = (flagged & bad).sum() / bad.sum()
            found[f"{kind} TPR"] = covers(who.tpr_interval, tpr)
        if flagged.any() and who.ppv_interval:
            ppv = (flagged & bad).sum() / flagged.sum()
            found[f"{kind} PPV"] = covers(who.ppv_interval, ppv)
    if audit.n:
        which = "upper limit" if iteration.bad_share > LIMITED else "far limit"
        found[which] = audit.upper_limit >= iteration.bad_share
    fresh = iteration.judgement.fresh_error.get("forces")
    if fresh and "explored frames of this iteration" in fresh.of:
        found["fresh error"] = covers(fresh.interval, np.median(error))
        found["fresh over"] = covers(fresh.over_interval, bad.mean())
    return found


def printed_of_chosen(
    world: World, before: Iteration | None, iteration: Iteration, tolerance: float
) -> dict[str, bool]:
    """Return what covers of the frames explored before, told by those then chosen."""
    fresh = iteration.judgement.fresh_error.get("forces")
    if before is None or not fresh or "evaluation before" not in fresh.of:
        return {}
    error = true_error(world, before.generation, before.explored)
    return {
        "chosen error": covers(fresh.interval, np.median(error)),
        "chosen over": covers(fresh.over_interval, (error > tolerance).mean()),
    }


def covered(
    law: str, good: float, n: int, max_iterations: int, first_seed: int = 0
) -> dict[str, list[bool]]:
    """Collect what covers, over the iterations of n campaigns."""
    counted = defaultdict(list)
    for seed in range(first_seed, first_seed + n):
        world = World(LAWS[law], seed=seed)
        tolerance = tolerance_of(world, good)
        before = None
        for iteration in campaign(world, tolerance, max_iterations=max_iterations):
            found = printed(world, iteration, tolerance)
            found |= printed_of_chosen(world, before, iteration, tolerance)
            for name, hit in found.items():
                counted[name].append(hit)
            before = iteration
    return counted


@pytest.mark.parametrize("law", FAST)
def test_printed_intervals_cover(law):
    """All kinds together, in a few campaigns."""
    counted = covered(law, 0.8, 5, 2)
    assert np.mean(np.concatenate(list(counted.values()))) >= 0.9


@cache
def simulated(law: str, good: float) -> dict[str, list[bool]]:
    """
    Return what covers in some campaigns of a law: several tests look at them.

    No two laws have campaigns of the same seed, which would err alike.
    """
    cell = ALL.index(law) * len(GOOD) + GOOD.index(good)
    return covered(law, good, CAMPAIGNS, 3, CAMPAIGNS * cell)


def pooled(laws, goods) -> dict[str, np.ndarray]:
    """Return what covers in the campaigns of several laws, by name."""
    counted = defaultdict(list)
    for law in laws:
        for good in goods:
            for name, hits in simulated(law, good).items():
                counted[name] += hits
    return {name: np.array(hits) for name, hits in counted.items()}


def deviation(share: float, n: int) -> float:
    """Return four standard deviations of a share that is counted in n cases."""
    return 4 * float(np.sqrt(share * (1 - share) / n))


@pytest.mark.slow
@pytest.mark.parametrize("law", ALL)
def test_each_printed_interval_covers(law):
    """
    90 % or more, less four deviations of what chance makes of few iterations.

    Where errors fall as the spread grows, the rates that the model expects are off by
    more than it knows; those of the audit, which has no model, are not.
    """
    for name, hits in pooled([law], GOOD).items():
        print(f"{law} {name}: {hits.mean():.3f} of {len(hits)}")  # noqa: T201
        if law != FALLING or not name.startswith("Calibration"):
            assert hits.mean() >= 0.9 - deviation(0.9, len(hits)), (name, len(hits))


@pytest.mark.slow
def test_printed_intervals_are_not_too_wide():
    """
    Of all laws together no more than 98 %, where they could miss the truth.

    The upper limit of the bad share cannot while this is far below what the number of
    audited frames can tell: "far limit".
    """
    laws = [law for law in ALL if law != FALLING]
    for name, hits in pooled(laws, GOOD).items():
        assert hits.mean() >= 0.9 - deviation(0.9, len(hits)), (name, len(hits))
    for name, hits in pooled(laws, OPEN).items():
        print(f"all {name}: {hits.mean():.3f} of {len(hits)}")  # noqa: T201
        if name != "far limit":
            assert hits.mean() <= 0.98 + deviation(0.98, len(hits)), (name, len(hits))


def false_stops(law: str, good: float, seeds, **shift) -> list[float]:
    """Return the bad share of what is accepted at each false convergence."""
    found = []
    for seed in seeds:
        world = World(LAWS[law], seed=seed, blind=4.0 if shift else 1.0)
        tolerance = tolerance_of(world, good)
        last = list(campaign(world, tolerance, **shift))[-1]
        if last.converged and last.bad_share > SHARE:
            found.append(last.bad_share)
    return found


@pytest.mark.parametrize(("law", "shift"), [("wide", {}), ("gaussian", {"shift": 0.5})])
def test_no_false_convergence(law, shift):
    """Where exploration moves on, members share errors that their spread hides."""
    assert not false_stops(law, 0.8, range(4), **shift)


@pytest.mark.slow
def test_hardly_any_false_convergence_in_two_hundred_campaigns():
    """
    An upper limit of 95 % passes a share just over it now and then.

    Found: one of 210, with 10.7 % bad where 10 % are allowed.
    """
    found = [
        stop
        for i, law in enumerate(ALL)
        for stop in false_stops(law, (0.8, 0.9, 0.95)[i % 3], range(EACH))
    ]
    print(found)  # noqa: T201
    assert len(found) <= 0.01 * EACH * len(ALL)
    assert max(found, default=0.0) <= 1.2 * SHARE


@pytest.mark.slow
def test_hardly_any_false_convergence_with_a_shift():
    found = [
        stop
        for i, law in enumerate(ALL)
        for stop in false_stops(law, (0.8, 0.9)[i % 2], range(EACH), shift=0.5)
    ]
    print(found)  # noqa: T201
    assert len(found) <= 0.05 * EACH * len(ALL)


def converging(n: int = 300) -> tuple[World, float, Dataset]:
    """Make a world whose frames are nearly all good."""
    world = World(LAWS["narrow"])
    return world, tolerance_of(world, 0.995), world.explore(n)


def start(world: World) -> Dataset:
    split = np.array(["train", "val"] * 20, dtype=object)
    frames = world.explore(40).with_info(split=split)
    return label(frames)


def test_converging_takes_a_closing_audit_of_this_committee():
    world, tolerance, explored = converging()
    labelled, criteria = start(world), Criteria({"forces": tolerance})
    members = world.committee(0)
    first = judge(members, labelled, explored, criteria)
    assert first.audit.upper_limit == 1  # frames of before do not speak for it
    assert (first.n_pilot, first.n_closing) == (30, 30)
    assert set(first.chosen.info["selection"]) == {"closing"}
    labelled = Dataset.concatenate([labelled, label(first.chosen)])
    second = judge(members, labelled, explored, criteria)
    assert second.n_pilot == 0
    assert (second.audit.n, second.audit.n_bad) == (30, 0)
    assert second.audit.upper_limit <= 0.1
    # The next committee begins anew: of what it accepts nothing is known.
    other = world.explore(300)
    third = judge(world.committee(1), labelled, other, criteria)
    assert (third.audit.n, third.audit.upper_limit) == (0, 1.0)
    assert third.n_closing == 30
    # So does another committee on the same frames.
    again = judge(
        world.committee(2),
        labelled,
        explored,
        criteria,
        predictions=[first.predictions, second.predictions],
    )
    assert again.audit.n == 0


def test_a_closing_audit_is_drawn_where_it_could_pass():
    """That is up to 8 % of expected bad frames, where a tenth may be bad."""
    drawn = {}
    for good in (0.7, 0.8, 0.88, 0.92, 0.95, 0.99):
        world = World(LAWS["wide"])
        labelled, explored = start(world), world.explore(300)
        members = world.committee(0)
        limit = {"forces": tolerance_of(world, good)}
        criteria = Criteria(limit, pilot_labels=0, max_over_share=0.99)
        found = judge(members, labelled, explored, criteria)
        of_frames = spread_over(members, explored).disagreement
        fit = found.calibration["forces"]
        chance = fit.chance_over(of_frames, "forces")
        drawn[chance[fit.excess(of_frames, "forces") <= 1].mean()] = found.n_closing
    assert all(n == (30 if expected <= 0.08 else 0) for expected, n in drawn.items())
    assert set(drawn.values()) == {0, 30}


def test_failed_labels_of_a_closing_audit_count_against_it():
    world, tolerance, explored = converging()
    labelled, criteria = start(world), Criteria({"forces": tolerance})
    members = world.committee(0)
    first = judge(members, labelled, explored, criteria)
    labelled = Dataset.concatenate([labelled, label(first.chosen[3:])])
    second = judge(
        members, labelled, explored, criteria, predictions=[first.predictions]
    )
    assert (second.audit.n, second.audit.n_bad, second.audit.n_failed) == (30, 3, 3)
    assert second.audit.upper_limit > 0.1


@pytest.mark.parametrize(("also_bad", "limit"), [(0, 0.08), (1, 0.11)])
def test_one_bad_frame_of_a_closing_audit_asks_for_a_second_look(also_bad, limit):
    world, tolerance, explored = converging()
    labelled, criteria = start(world), Criteria({"forces": tolerance})
    members = world.committee(0)
    past = []
    for n, n_lost in ((30, 1), (28, also_bad)):
        found = judge(members, labelled, explored, criteria, predictions=past)
        assert (found.n_pilot, found.n_closing) == (n, n)
        past.append(found.predictions)
        arrived = label(found.chosen[n_lost:])  # a lost label counts as bad
        labelled = Dataset.concatenate([labelled, arrived])
    last = judge(members, labelled, explored, criteria, predictions=past)
    assert (last.audit.n, last.audit.n_bad) == (58, 1 + also_bad)
    assert limit - 0.01 < last.audit.upper_limit < limit
    assert last.n_pilot == 0


@pytest.mark.parametrize("broken", [1, 2])
def test_a_committee_without_predictions_never_converges(broken):
    """One member, or all of them, gives NaN: every frame is over."""
    world, tolerance, explored = converging(60)
    members: list[Member] = world.committee(0)
    for member in members[:broken]:
        member.broken = True
    found = judge(members, start(world), explored, Criteria({"forces": tolerance}))
    assert found.selection.n_over == 60
    assert found.audit.upper_limit == 1
    assert any("no finite prediction" in said for said in found.warnings)


def test_labels_are_shared_when_the_budget_ends():
    world = World(LAWS["wide"])
    tolerance = tolerance_of(world, 0.5)
    labelled, explored = start(world), world.explore(400)
    found = judge(
        world.committee(0),
        labelled,
        explored,
        Criteria({"forces": tolerance}, pilot_labels=0, target=0.35),
        max_labels=len(labelled) + 30,
    )
    assert len(found.selection.selected) == 20
    assert len(found.selection.audit) == 10
