"""Removal of atoms."""

import numpy as np
import pytest

from crystals import PEROVSKITE
from flowpot.augmentation import remove_atoms
from flowpot.augmentation.removal import present_atoms


def test_atoms_are_removed_at_random(silicon):
    made = remove_atoms(silicon, np.random.default_rng(0), n=3)
    assert len(made) == 5
    assert len(silicon) == 8
    kept = {tuple(row) for row in silicon.positions}
    assert {tuple(row) for row in made.positions} <= kept


def test_atoms_of_some_elements_are_removed():
    rng = np.random.default_rng(0)
    made = remove_atoms(PEROVSKITE, rng, n=2, species=["O", "Ti"])
    assert "Sr" in made.symbols
    with pytest.raises(ValueError, match=r"cannot remove n=2 .*\(1 of \['Ti'\]\)"):
        remove_atoms(PEROVSKITE, rng, n=2, species=["Ti"])


def test_every_site_is_as_likely():
    present = present_atoms(
        np.ones((9000, 6), bool), np.full(9000, 2), np.random.default_rng(0)
    )
    assert (present.sum(axis=1) == 4).all()
    expected, error = 1 / 3, (2 / 9 / 9000) ** 0.5
    assert np.abs((~present).mean(axis=0) - expected).max() < 4 * error


def test_one_atom_must_remain(silicon):
    with pytest.raises(ValueError, match="cannot remove n=8 atoms of Si8"):
        remove_atoms(silicon, np.random.default_rng(0), n=8)
