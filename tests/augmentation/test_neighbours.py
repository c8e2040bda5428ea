"""Neighbour distances against ASE's neighbour list."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from flowpot.augmentation.neighbours import nearest_distances


def test_nearest_distances_of_everything(zoo):
    for name, atoms in zoo.items():
        i, d = neighbor_list("id", atoms, 6.0)
        expected = [d[i == k].min() for k in range(len(atoms))]
        np.testing.assert_allclose(nearest_distances(atoms), expected, err_msg=name)


def test_a_single_atom_cell_has_its_images_as_neighbours():
    copper = bulk("Cu", "fcc", a=3.61)
    assert nearest_distances(copper) == pytest.approx([3.61 / 2**0.5])


def test_an_isolated_atom_has_no_neighbour():
    assert np.isinf(nearest_distances(Atoms("H"))).all()


def test_far_neighbours_are_found():
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 40.0]])
    np.testing.assert_allclose(nearest_distances(pair), 40.0)
