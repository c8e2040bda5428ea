"""Which frames an audit and the error on fresh frames speak of."""

import numpy as np
import pytest

from committee_simulation import Member, World, label, number_of
from error_laws import LAWS
from flowpot.dataset import Dataset
from flowpot.evaluation import Criteria, SelectionRules, judge
from flowpot.evaluation.checks import Checked, earlier_sample
from flowpot.evaluation.choice import CLOSING, PILOT, Judged
from flowpot.evaluation.fresh import fresh_errors
from flowpot.potentials import Prediction

TOLERANCE = {"forces": 1.0}
N = 200


@pytest.fixture(scope="module")
def frames():
    found = World(LAWS["wide"]).explore(N)
    return found, found.fingerprints


def judged(frames, rng, left_out, *, finite=None, wrecked=None):
    """Flag half of the frames; some of them cannot be drawn."""
    spread = np.ones(N) if finite is None else np.where(finite, 1.0, np.nan)
    nothing = np.zeros(N, dtype=bool)
    return Judged(
        frames=frames[0],
        members=(),
        uncertainty={"forces": spread},
        accepted=np.isfinite(spread) & (rng.random(N) < 0.7),
        free=~left_out,
        wrecked=nothing if wrecked is None else wrecked,
        round=1,
    )


def drawn(frames, judged, error, n, rng, kind=PILOT):
    """Label some candidates: they are candidates no longer."""
    rows = rng.choice(judged.candidates, n, replace=False)
    judged.free[rows] = False
    return Checked(
        frames[1][rows],
        np.full(n, kind, dtype=object),
        {"forces": error[rows]},
        np.zeros(n, dtype=bool),
    )


def covered(interval, share):
    return interval[0] - 1e-9 <= share <= interval[1] + 1e-9


@pytest.mark.parametrize("cause", ["not free", "not finite", "wrecked"])
def test_frames_that_cannot_be_drawn_do_not_count(frames, cause):
    """
    Of 200 frames 60, all of them bad, have no prediction, or are copies, or wrecks.

    Counted among those that the labelled ones stand for, they left 95 % intervals with
    coverages of 0.5 to 0.9.
    """
    rng, hits = np.random.default_rng(0), {"over": [], "ppv": [], "tpr": []}
    for _ in range(150):
        lost = np.arange(N) < 60
        bad = rng.random(N) < 0.2
        given = {
            "not free": {"left_out": lost},
            "not finite": {"left_out": ~np.ones(N, bool), "finite": ~lost},
            "wrecked": {"left_out": ~np.ones(N, bool), "wrecked": lost},
        }[cause]
        found = judged(frames, rng, **given)
        found.accepted[lost] = cause == "not free"
        found.accepted[bad & (rng.random(N) < 0.6) & ~lost] = False
        error = np.where(bad | lost, 2.0, 0.5)
        checked = drawn(frames, found, error, 50, rng)
        sample = checked.sample(found)
        there, flagged = ~lost, ~found.accepted
        assert sample.weights.sum() == pytest.approx(there.sum())
        assert f"stand for {there.sum()} of {N} explored frames" in sample.of
        audited = checked.audit(TOLERANCE, found)
        fresh = fresh_errors(sample, ["forces"], TOLERANCE)["forces"]
        n_hits = (bad & flagged & there).sum()
        hits["over"].append(covered(fresh.over_interval, bad[there].mean()))
        ppv, tpr = n_hits / (flagged & there).sum(), n_hits / (bad & there).sum()
        hits["ppv"].append(covered(audited.ppv_interval, ppv))
        hits["tpr"].append(covered(audited.tpr_interval, tpr))
    for name, each in hits.items():
        assert np.mean(each) >= 0.9, (name, np.mean(each))


def test_all_frames_are_stood_for_where_all_could_be_drawn(frames, rng):
    found = judged(frames, rng, np.zeros(N, dtype=bool))
    sample = drawn(frames, found, np.ones(N), 50, rng).sample(found)
    assert sample.weights.sum() == pytest.approx(N)
    assert sample.of == (
        "50 explored frames of this iteration, before they were learned"
    )


def test_what_was_drawn_of_one_kind_stands_for_no_other(frames, rng):
    """A closing audit, and a pilot in which nothing is flagged, say so."""
    found = judged(frames, rng, np.zeros(N, dtype=bool))
    accepted = found.accepted.copy()
    found.free[:] = accepted
    checked = drawn(frames, found, np.ones(N), 30, rng, CLOSING)
    found.free[~accepted] = True
    sample = checked.sample(found)
    assert sample.of.startswith("30 accepted frames")
    assert sample.weights.sum() == pytest.approx(accepted.sum())
    assert checked.audit(TOLERANCE, found).n_closing == 30


class Lossy(Member):
    """A member that has no finite prediction of some frames."""

    lost = np.empty(0, dtype=int)  # their numbers

    def evaluate_graph(self, graph):
        found = super().evaluate_graph(graph)
        energy = np.where(np.isin(graph, self.lost), np.nan, found.energy)
        return Prediction(energy=energy, forces=found.forces, stress=found.stress)


def evaluated(explored, world, **options):
    """Judge frames, label the pilot, and judge again; return both."""
    first = world.explore(20)
    labelled = label(
        first.with_info(
            config_type=np.full(20, "distorted", dtype=object),
            split=np.array(["train", "val"] * 10, dtype=object),
        )
    )
    members = [Lossy(world, 0, sign) for sign in (-1.0, 1.0)]
    tolerance = {"forces": float(np.quantile(world.table(0)[1], 0.8))}
    criteria = Criteria(tolerance, uncertainties=[], closing_audit=0, **options)
    pilot = judge(members, labelled, explored, criteria, iteration=1)
    again = Dataset.concatenate([labelled, label(pilot.chosen)])
    past = [pilot.predictions]
    return pilot, judge(
        members, again, explored, criteria, predictions=past, iteration=1
    )


def test_every_explored_frame_is_counted():
    """
    Fifty frames, each four times, of which some have no prediction.

    Each is without a prediction, labelled, a copy, or stood for by those labelled.
    """
    world = World(LAWS["wide"], seed=1)
    once = world.explore(50)
    explored = Dataset.concatenate([once] * 4)
    Lossy.lost = number_of(once.cell)[:10]
    pilot, found = evaluated(explored, world)
    assert (found.n_explored, found.n_insane) == (200, 4 * 10)
    assert pilot.n_copies == 3 * 40
    assert found.n_copies == 3 * (40 - pilot.n_pilot)
    assert found.n_known == 4 * pilot.n_pilot
    fresh = found.fresh_error["forces"]
    assert "they stand for 40 of 200 explored frames" in fresh.of
    n_free = 40 - pilot.n_pilot
    assert found.n_insane + found.n_known + found.n_copies + n_free == 200


def test_both_kinds_of_fresh_frames_are_of_what_could_be_chosen():
    """
    That is, a pilot, and what an evaluation chose, of which the next one tells.

    Neither speaks of frames beyond the upper bound, which are never chosen.
    """
    Lossy.lost = np.empty(0, dtype=int)
    world = World(LAWS["narrow"], seed=2)
    explored = world.explore(N)
    rules = SelectionRules(
        max_selected=200, method="random", audit_max=200, upper_factor=1.2
    )
    pilot, found = evaluated(explored, world, rules=rules)
    n_wrecked = found.selection.n_wrecked
    assert n_wrecked > 5
    fresh = found.fresh_error["forces"]
    assert f"they stand for {N - n_wrecked} of {N} explored frames" in fresh.of
    predictions = [found.predictions]
    later = earlier_sample(predictions, label(found.chosen))
    n_pilot = fresh.n  # without those of its frames that are beyond the bound
    assert later.weights.sum() == pytest.approx(N - n_wrecked - n_pilot)
    # The pilot was drawn from other frames: it is no sample of these.
    only_pilot = [pilot.predictions]
    assert earlier_sample(only_pilot, label(pilot.chosen)) is None
