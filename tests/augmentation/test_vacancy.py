"""Vacancies."""

import numpy as np
import pytest

from flowpot.augmentation import remove_atoms
from flowpot.augmentation.vacancy import present_atoms


def test_atoms_are_removed_at_random(silicon):
    made = remove_atoms(silicon, np.random.default_rng(0), n=3)
    assert len(made) == 5
    assert len(silicon) == 8
    kept = {tuple(row) for row in silicon.positions}
    assert {tuple(row) for row in made.positions} <= kept


def test_every_site_is_as_likely():
    present = present_atoms(9000, 6, 2, np.random.default_rng(0))
    assert (present.sum(axis=1) == 4).all()
    expected, error = 1 / 3, (2 / 9 / 9000) ** 0.5
    assert np.abs((~present).mean(axis=0) - expected).max() < 4 * error


def test_one_atom_must_remain(silicon):
    with pytest.raises(ValueError, match="cannot remove n=8 atoms of Si8"):
        remove_atoms(silicon, np.random.default_rng(0), n=8)
