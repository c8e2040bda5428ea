"""Swaps of unlike atoms."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from flowpot.augmentation import Distortions, Substitution, augment, substitute
from flowpot.augmentation.kinds.substitution import swap_order


@settings(max_examples=200, deadline=None)
@given(
    numbers=st.lists(st.sampled_from([6, 7, 8, 14, 42]), min_size=2, max_size=60),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_the_fraction_is_honoured_and_every_swap_changes_atoms(numbers, fraction, seed):
    numbers = np.array(numbers)
    if len(set(numbers)) < 2:
        return
    new = numbers[swap_order(numbers, fraction, np.random.default_rng(seed))]
    most = min(len(numbers) // 2, len(numbers) - np.bincount(numbers).max())
    expected = min(max(1, round(fraction * len(numbers) / 2)), most)
    assert (new != numbers).sum() == 2 * expected
    np.testing.assert_array_equal(np.sort(new), np.sort(numbers))


def test_a_fifth_of_the_atoms_by_default():
    salt = bulk("NaCl", "rocksalt", a=5.64) * (5, 5, 2)
    made = substitute(salt, np.random.default_rng(0))
    assert (made.numbers != salt.numbers).mean() == pytest.approx(0.2)
    np.testing.assert_array_equal(made.positions, salt.positions)


def test_every_site_is_as_likely():
    numbers = np.array([1] * 10 + [2] * 10)
    rng = np.random.default_rng(0)
    changed = [numbers[swap_order(numbers, 0.2, rng)] != numbers for _ in range(4000)]
    share = np.mean(changed, axis=0)
    assert np.abs(share - 0.2).max() < 4 * (0.2 * 0.8 / 4000) ** 0.5


def test_one_element_is_never_substituted(silicon):
    """Bug B4: a fifth of the reference's frames of one element are duplicates."""
    with pytest.raises(ValueError, match="has one element"):
        substitute(silicon, np.random.default_rng(0))
    made = augment(silicon, [Distortions()], substitution=Substitution(1.0, 0.2))
    assert "substituted" not in made.counts
    assert "duplicate" not in made.rejected


def test_frames_are_taken_with_the_probability_asked_for():
    salt = bulk("NaCl", "rocksalt", a=5.64) * 2
    plan = Distortions(n_frames=600, strain=(0.0, 0.1), vacancy_fraction=0.0)
    made = augment(salt, [plan], substitution=Substitution(0.2, 0.3))
    assert abs(made.counts["substituted"] - 120) < 4 * (600 * 0.16) ** 0.5
    frames = made.frames[made.frames.info["config_type"] == "substituted"]
    assert set(frames.info["substituted_from"]) <= {"distorted", "input"}
    assert np.isfinite(frames.info["strain"]).mean() > 0.9
    assert (frames.info["parent"] == made.frames.info["parent"][-1]).all()


def test_swaps_that_bring_large_atoms_together_are_rejected():
    """Cs among Li: in the place of Li it is too close to its neighbours."""
    atoms = bulk("Li", "sc", a=2.3) * (3, 3, 3)
    atoms.symbols[:1] = "Cs"
    made = augment(atoms, [], substitution=Substitution(1.0, 0.1), min_distance=0.45)
    assert made.counts["substituted"] == 1
    assert not made.notes
    none = augment(atoms, [], substitution=Substitution(1.0, 0.1), min_distance=0.57)
    assert none.counts.get("substituted", 0) <= 1
    dense = bulk("MgO", "rocksalt", a=3.4) * 2
    tight = augment(dense, [], substitution=Substitution(1.0, 0.1))
    assert tight.rejected["substituted"] == 20
    assert "1 frames (input of input " in tight.notes[0]


def test_shares_spread_up_to_the_fraction():
    """Lightly disordered frames too, not all of them as far as they go."""
    salt = bulk("NaCl", "rocksalt", a=5.64) * 4
    plan = Distortions(n_frames=300, strain=(0.0, 0.1), vacancy_fraction=0.0)
    made = augment(salt, [plan], substitution=Substitution(1.0, 0.3)).frames
    frames = made[made.info["config_type"] == "substituted"]
    shares = frames.info["substituted_fraction"]
    assert kstest(shares, "uniform", args=(0.0, 0.3)).statistic < 0.12
    assert shares.min() == 2 / 128
    originals = {tuple(a.positions[0]): a.numbers for a in made[: len(made) // 2]}
    for atoms, share in zip(frames, shares, strict=True):
        numbers = originals.get(tuple(atoms.positions[0]), salt.numbers)
        assert np.mean(atoms.numbers != numbers) == share


def test_fractions_are_checked():
    with pytest.raises(ValueError, match="switches_fraction is 2"):
        Substitution(switches_fraction=2)
