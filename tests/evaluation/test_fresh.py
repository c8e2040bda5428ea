"""The error on fresh frames, told by frames that were drawn with unequal chances."""

import numpy as np
import pytest

from flowpot.evaluation import SelectionRules, calibrate, select
from flowpot.evaluation.binomial import told_of_others
from flowpot.evaluation.fresh import Sample, fresh_errors

TOLERANCE = {"forces": 0.1}


@pytest.fixture(scope="module")
def calibration():
    e = np.linspace(0.01, 0.4, 40)
    return calibrate({"forces": e}, {"forces": e}, TOLERANCE)


@pytest.mark.parametrize("scatter", [0.3, 1.0])
@pytest.mark.parametrize("middle", [0.08, 0.15, 0.4])
def test_intervals_cover_whatever_was_drawn(calibration, middle, scatter):
    """
    Of 40 flagged frames and some accepted ones of 250, drawn by ``weighted``.

    Errors are lognormal about the prediction. What is drawn is worse than what is not;
    counted alike, intervals of the share do not even hold its own estimate.
    """
    rng, covered = np.random.default_rng(1), {"median": [], "over": []}
    rules = SelectionRules(max_selected=40, audit_min=10, audit_max=20)
    for _ in range(200):
        predicted = middle * rng.lognormal(0, 0.5, 250)
        error = predicted * rng.lognormal(0, scatter, 250)
        chosen = select({"forces": predicted}, calibration, rng=rng, rules=rules)
        rows = np.concatenate([chosen.selected, chosen.audit])
        chance = np.full(len(rows), chosen.audit_probability)
        chance[: len(chosen.selected)] = chosen.selected_probability
        fresh = fresh_errors(
            Sample(
                {"forces": error[rows]},
                np.arange(len(rows)) < len(chosen.selected),
                1 / chance,
                np.zeros(len(rows), dtype=bool),
                "chosen frames",
            ),
            ["forces"],
            TOLERANCE,
        )["forces"]
        assert fresh.over_interval[0] <= fresh.over <= fresh.over_interval[1]
        for name, interval, true in (
            ("median", fresh.interval, np.median(error)),
            ("over", fresh.over_interval, (error > TOLERANCE["forces"]).mean()),
        ):
            low, high = interval
            covered[name].append(low <= true <= (np.inf if high is None else high))
    for name, hits in covered.items():
        assert np.mean(hits) >= 0.88, (name, np.mean(hits))


def test_equal_weights_tell_what_was_counted(rng):
    hits = rng.random(30) < 0.4
    k, n = told_of_others(hits, np.full(30, 7.0))
    assert (k, n) == pytest.approx((hits.sum(), 30))
    assert told_of_others(hits, np.ones(30)) == (0.0, 0.0)  # there are no others


@pytest.mark.parametrize(
    ("error", "weights", "median"),
    [
        ([0.1, 0.4, 0.2, 0.3], [5, 5, 5, 5], 0.25),
        ([0.1, 0.3, 0.2], [5, 5, 5], 0.2),
        ([0.01, *[0.2] * 9], [500, *[1] * 9], 0.01),  # it stands for most of the frames
        ([0.1, 0.2, 0.3], [1, 1, 2], 0.25),
    ],
)
def test_the_median_is_that_of_the_frames_stood_for(error, weights, median):
    n = len(error)
    sample = Sample(
        {"forces": np.array(error)},
        np.ones(n, dtype=bool),
        np.array(weights, dtype=float),
        np.zeros(n, dtype=bool),
        "frames",
    )
    found = fresh_errors(sample, ["forces"], TOLERANCE)["forces"]
    assert found.value == pytest.approx(median)
    assert found.interval[0] <= median
