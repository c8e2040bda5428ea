"""Dimer curves."""

import numpy as np
import pytest
from ase.data import atomic_numbers, covalent_radii

from flowpot.augmentation import Dimers, augment, dimer_curve


def test_dimers_run_from_repulsion_to_dissociation():
    curve = dimer_curve(("Mo", "S"), n_points=9, shortest=0.7, longest=3.0)
    radii = sum(covalent_radii[atomic_numbers[s]] for s in ("Mo", "S"))
    lengths = [atoms.get_distance(0, 1) / radii for atoms in curve]
    assert lengths[0] == pytest.approx(0.7)
    assert lengths[-1] == pytest.approx(3.0)
    assert (np.diff(lengths) > 0).all()


def test_every_pair_of_elements_gets_its_curve(zoo):
    made = augment(zoo["MoS2"], [Dimers(n_points=5)])
    assert made.counts["dimer"] == 3 * 5
    dimers = made.frames[made.frames.info["config_type"] == "dimer"]
    for atoms in dimers:
        assert atoms.info["dimer_distance"] == pytest.approx(atoms.get_distance(0, 1))


def test_dimers_respect_the_shortest_distance(silicon):
    with pytest.raises(ValueError, match="raise the one or lower the other"):
        augment(silicon, [Dimers(shortest=0.4)])


def test_distances_ascend():
    with pytest.raises(ValueError, match="longest is"):
        Dimers(longest=0.5)
