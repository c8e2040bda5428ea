"""Where the usual chance would accept too many bad frames, a lower one flags."""

import numpy as np
import pytest

from committee_simulation import World, campaign, seen, true_error
from error_laws import LAWS
from flowpot.evaluation.decision import chance_to_leave, excess

POOL = 400


def outcome(law, good, seed, **options):
    """First selection in a world of good and bad frames, and the true share left."""
    tolerance = float(np.quantile(World(LAWS[law], seed=seed).table(0)[1], good))
    world = World(LAWS[law], seed=seed)
    (found,) = campaign(world, tolerance, n_explored=POOL, max_iterations=1, **options)
    judgement = found.judgement
    chance = judgement.flagged_from
    fits = {
        name: fit if chance is None else fit.model_copy(update={"chance": chance})
        for name, fit in judgement.calibration.items()
    }
    accepted = excess(seen(world, 0, found.explored), fits) <= 1
    bad = true_error(world, 0, found.explored) > tolerance
    return judgement, float(bad[accepted].sum()), int(accepted.sum())


@pytest.mark.parametrize(("law", "good"), [("wide", 0.7), ("heavy tails", 0.7)])
def test_few_bad_frames_are_accepted(law, good):
    """By 35 % alone 13 and 15 % of the accepted would be bad; 8 % are aimed at."""
    left, accepted = np.sum([outcome(law, good, seed)[1:] for seed in range(8)], axis=0)
    assert accepted > POOL
    assert left <= 0.11 * accepted


def test_hardly_any_frame_is_accepted_where_nothing_ranks_errors():
    """Of a pool with 20 % of bad frames 35 % would flag none."""
    accepted = [outcome("uncorrelated", 0.8, seed)[2] for seed in range(8)]
    assert np.mean(accepted) < 0.1 * POOL


def test_unranked_errors_are_learned_by_chance():
    judgement, _, accepted = outcome("uncorrelated", 0.8, 1)
    assert judgement.flagged_from < 0.25
    assert judgement.selection.n_over == POOL - accepted > POOL / 2
    assert len(judgement.selection.selected) == 30  # all that an iteration may label
    rows = judgement.chosen.info["selection"] == "selected"
    assert not judgement.chosen.info["accepted"][rows].any()
    # All alike, they were drawn with nearly the same chance.
    chance = np.asarray(judgement.chosen.info["selection_probability"], float)[rows]
    assert chance.max() < 3 * chance.min()


def test_the_usual_chance_flags_where_it_leaves_few():
    judgement, _, _ = outcome("narrow", 0.8, 0)
    assert judgement.flagged_from is None


@pytest.mark.parametrize(
    "options", [{"target": 0.35}, {"rule": "tpr"}, {"rule": "least-squares"}]
)
def test_what_the_user_sets_is_kept(options):
    judgement, _, _ = outcome("uncorrelated", 0.8, 1, **options)
    assert judgement.flagged_from is None


@pytest.mark.parametrize(("decide_by", "lowers"), [(None, True), (["energy"], False)])
def test_only_properties_that_decide_lower_the_chance(decide_by, lowers):
    """Of the forces' errors too many would be accepted, and none of the energies'."""
    law, seed = LAWS["wide"], 3
    tolerance = float(np.quantile(World(law, seed=seed).table(0)[1], 0.7))
    (found,) = campaign(
        World(law, seed=seed),
        tolerance,
        energy_tolerance=1e3 * tolerance,
        n_explored=POOL,
        max_iterations=1,
        decide_by=decide_by,
    )
    assert (found.judgement.flagged_from is not None) is lowers


@pytest.mark.parametrize(
    ("chance", "share", "expected"),
    [
        ([0.1, 0.1, 0.1], 0.11, 1.0),
        ([0.2, 0.2, 0.2], 0.1, 0.1),  # frames alike are flagged together
        ([0.0, 0.1, 0.3, 0.9], 0.05, 0.2),
        ([0.0, 0.1, 0.3, 0.3], 0.15, 0.2),
        ([0.0, 0.0], 0.08, 1.0),
    ],
)
def test_chance_to_leave(chance, share, expected):
    found = chance_to_leave(np.random.default_rng(0).permutation(chance), share)
    assert found == pytest.approx(expected)


def test_no_chance_leaves_more_than_the_share():
    rng = np.random.default_rng(3)
    for _ in range(200):
        chance, share = rng.beta(0.4, 2, rng.integers(1, 60)), rng.uniform(0.01, 0.4)
        cut = chance_to_leave(chance, share)
        left = chance[chance < cut]
        assert not len(left) or left.mean() <= share + 1e-12
        more = chance[chance <= chance[chance >= cut].min(initial=1.0)]
        assert len(left) == len(chance) or more.mean() > share
