"""The audit: what was accepted and what was flagged, against labels."""

import numpy as np
import pytest
from scipy.stats import binom

from flowpot.evaluation import audit
from flowpot.evaluation.binomial import clopper_pearson_upper, jeffreys, second_look
from flowpot.evaluation.fresh import Sample, fresh_errors

TOLERANCE = {"energy": 0.1, "forces": 0.1}


def errors(*forces):
    forces = np.concatenate(forces)
    return {"energy": np.zeros(len(forces)), "forces": forces}


def test_accepted_frames_are_counted_and_bounded():
    result = audit(errors(np.full(3, 0.2), np.full(27, 0.05)), TOLERANCE)
    assert (result.n, result.n_bad) == (30, 3)
    assert 0.1 < result.upper_limit < 0.25
    assert result.accepted_error["forces"] == pytest.approx(0.065)
    assert result.tpr is None  # nothing flagged was looked at
    clean = audit(errors(np.zeros(30)), TOLERANCE)
    assert clean.upper_limit == pytest.approx(1 - 0.05 ** (1 / 30))  # exact
    assert audit(errors([]), TOLERANCE).upper_limit == 1


def test_rates_weigh_what_was_drawn_by_what_it_stands_for():
    """Of 100 flagged 20 are labelled, 16 bad; of 400 accepted 40, 4 bad."""
    flagged = np.repeat([0.2, 0.05], [16, 4])
    accepted = np.repeat([0.2, 0.05], [4, 36])
    result = audit(
        errors(flagged, accepted),
        TOLERANCE,
        accepted=np.repeat([False, True], [20, 40]),
        weights=np.repeat([100 / 20, 400 / 40], [20, 40]),
    )
    assert (result.n, result.n_bad, result.n_flagged) == (40, 4, 20)
    assert result.ppv == pytest.approx(0.8)
    # Of 100 frames 20 are known: narrower than Jeffreys' interval by (1 - 20/100)^1/2.
    known, unknown = (np.ptp(each) for each in (result.ppv_interval, jeffreys(16, 20)))
    assert known == pytest.approx(0.8**0.5 * unknown, abs=0.01)
    assert result.tpr == pytest.approx(16 * 5 / (16 * 5 + 4 * 10))
    low, high = result.tpr_interval
    assert low < result.tpr < high


@pytest.mark.parametrize("n_drawn", [20, 60])
def test_shares_follow_unequal_weights(n_drawn):
    """
    Of 600 flagged and 600 accepted frames, the worse ones are drawn more often.

    Counted alike, the drawn ones say that far more is bad, and their intervals of
    95 % held in 0 to 40 % of cases.
    """
    rng, held = np.random.default_rng(3), {"ppv": [], "tpr": [], "upper limit": []}
    for _ in range(200):
        size = rng.lognormal(0, 0.8, 1200)
        accepted = np.arange(1200) < 600
        bad = rng.random(1200) < np.minimum(np.where(accepted, 0.1, 0.3) * size, 0.95)
        chance = np.minimum(n_drawn * size / 600, 1.0)
        rows = rng.random(1200) < chance
        found = audit(
            {"forces": np.where(bad, 0.2, 0.05)[rows]},
            TOLERANCE,
            accepted=accepted[rows],
            weights=1 / chance[rows],
        )
        assert found.n_bad == (bad & accepted & rows).sum()  # a count, without weights
        n_hits = (bad & ~accepted).sum()
        for name, interval, true in (
            ("ppv", found.ppv_interval, n_hits / 600),
            ("tpr", found.tpr_interval, n_hits / bad.sum()),
            ("upper limit", (0.0, found.upper_limit), bad[accepted].mean()),
        ):
            held[name].append(interval[0] <= true <= interval[1])
    for name, hits in held.items():
        assert np.mean(hits) >= 0.9, (name, np.mean(hits))


def test_unequal_weights_move_the_shares():
    """A bad frame stands for one, and a good one for nine, or for none."""
    given = {
        "error": errors([0.2, 0.05, 0.2, 0.05]),
        "accepted": np.array([1, 1, 0, 0], bool),
    }
    found = audit(tolerance=TOLERANCE, weights=np.array([1.0, 9, 1, 9]), **given)
    assert (found.bad_share, found.ppv) == (pytest.approx(0.1), pytest.approx(0.1))
    assert found.accepted_error["forces"] == pytest.approx(0.065)
    assert found.ppv_interval[0] <= found.ppv <= found.ppv_interval[1]
    alike = audit(tolerance=TOLERANCE, weights=np.full(4, 5.0), **given)
    assert (alike.bad_share, alike.ppv) == (0.5, 0.5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_an_unknown_weight_is_refused(wrong):
    with pytest.raises(ValueError, match=f"weights has 1 of 2 values .* first {wrong}"):
        audit(errors([0.2, 0.05]), TOLERANCE, weights=np.array([1.0, wrong]))


@pytest.mark.parametrize("tolerance", [{"stress": 0.1}, {}])
def test_a_tolerance_of_nothing_that_is_known_is_refused(tolerance):
    """No frame could be bad: 0 of 30 looked like a perfect audit."""
    with pytest.raises(ValueError, match="error has energy, forces: give both"):
        audit(errors(np.ones(30)), tolerance)


def test_missing_labels_are_no_errors():
    found = audit(errors([0.05, 0.05]) | {"energy": np.array([np.nan, 0.2])}, TOLERANCE)
    assert found.n_bad == 1


def test_a_failed_label_and_an_unknown_prediction_are_bad():
    error = errors([0.05, np.nan, 0.05, np.inf]) | {"energy": np.full(4, np.nan)}
    found = audit(error, TOLERANCE, failed=np.array([0, 0, 1, 0], bool))
    assert (found.n, found.n_bad, found.n_failed) == (4, 3, 1)


@pytest.mark.parametrize("n_accepted", [10, 30])
@pytest.mark.parametrize(("flagged_bad", "accepted_bad"), [(0.7, 0.03), (0.9, 0.2)])
def test_the_interval_of_the_true_positive_rate_covers_it(
    n_accepted, flagged_bad, accepted_bad
):
    """Of 300 flagged and 700 accepted frames, 20 and some are labelled."""
    rng, covered = np.random.default_rng(0), []
    truth = 300 * flagged_bad / (300 * flagged_bad + 700 * accepted_bad)
    for _ in range(300):
        bad = [rng.random(20) < flagged_bad, rng.random(n_accepted) < accepted_bad]
        found = audit(
            errors(*np.where(np.concatenate(bad), 0.2, 0.05)[None]),
            TOLERANCE,
            accepted=np.repeat([False, True], [20, n_accepted]),
            weights=np.repeat([300 / 20, 700 / n_accepted], [20, n_accepted]),
        )
        if found.tpr_interval is not None:
            low, high = found.tpr_interval
            covered.append(low <= truth <= high)
    assert 0.9 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_intervals_are_of_the_frames_that_were_sampled(share):
    """Of 100 flagged and 200 accepted frames, many are labelled, or all."""
    rng, covered = np.random.default_rng(2), []
    sizes = np.array([100, 200])
    labelled = np.rint(share * sizes).astype(int)
    for _ in range(200):
        bad = [rng.random(100) < 0.7, rng.random(200) < 0.1]
        seen = np.concatenate([each[:n] for each, n in zip(bad, labelled, strict=True)])
        error = {"forces": np.where(seen, 0.2, 0.05)}
        flagged = np.repeat([True, False], labelled)
        weights = np.repeat(sizes / labelled, labelled)
        found = audit(error, TOLERANCE, accepted=~flagged, weights=weights)
        sample = Sample(error, flagged, weights, np.zeros(len(seen), bool), "frames")
        fresh = fresh_errors(sample, ["forces"], TOLERANCE)["forces"]
        n_bad = [each.sum() for each in bad]
        for interval, true in (
            (found.ppv_interval, n_bad[0] / 100),
            (found.tpr_interval, n_bad[0] / sum(n_bad)),
            (fresh.over_interval, sum(n_bad) / 300),
        ):
            low, high = interval
            covered.append(low - 1e-9 <= true <= high + 1e-9)
    lower, upper = (1, 1) if share == 1 else (0.93, 0.98)
    assert lower <= np.mean(covered) <= upper


def test_the_upper_limit_holds_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for share in (0.02, 0.1, 0.3):
        limits = [
            audit(errors(np.where(rng.random(30) < share, 0.2, 0.0)), TOLERANCE)
            for _ in range(300)
        ]
        assert np.mean([found.upper_limit >= share for found in limits]) >= 0.94


def test_the_upper_limit_covers_no_more_than_it_has_to():
    """
    Of 30 audited frames, exactly: 95 to 98 % where the true share is 0.1 or more.

    Below 0.095 it covers always: this is the limit where none of them is bad.
    """
    n, counts = 30, np.arange(31)
    limits = clopper_pearson_upper(counts, np.full(31, n))
    shares = np.linspace(0.1, 0.3, 41)
    covers = [binom.pmf(counts, n, p)[limits >= p].sum() for p in shares]
    assert min(covers) >= 0.95
    assert np.mean(covers) <= 0.98
    assert limits[0] == pytest.approx(0.095, abs=1e-3)


@pytest.mark.parametrize(("n", "limit"), [(29, 0.1), (30, 0.1), (60, 0.05), (10, 0.3)])
def test_a_second_look_lets_too_many_bad_frames_pass_once_in_twenty(n, limit):
    draws = np.random.default_rng(0).random((200_000, n + second_look(n, limit)))
    bad = draws < limit
    at_once = ~bad[:, :n].any(axis=1)
    later = (bad[:, :n].sum(axis=1) == 1) & ~bad[:, n:].any(axis=1)
    assert (at_once | later).mean() < 0.0515  # three standard errors
    assert later.mean() > 0
