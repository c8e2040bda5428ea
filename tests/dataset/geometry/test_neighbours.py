"""Pairs and contacts against ASE's neighbour list."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from flowpot.dataset.geometry.neighbours import (
    clearance,
    closest_contact,
    closest_pair,
    find_pairs,
    nearest_distances,
)


@pytest.mark.parametrize("seed", range(12))
def test_pairs_are_those_of_ase_for_any_cell(seed):
    rng = np.random.default_rng(seed)
    pbc = [(1, 1, 1), (1, 1, 0), (0, 1, 0), (0, 0, 0)][seed % 4]
    cell = rng.normal(size=(3, 3)) * 4 + 3 * np.eye(3)
    if seed % 3 == 0:
        cell[0] *= -1  # left-handed half of the time
    atoms = Atoms("H7", rng.normal(size=(7, 3)) * 6, cell=cell, pbc=pbc)
    pairs = find_pairs(atoms, 5.0)
    i, j, d, vectors = neighbor_list("ijdD", atoms, 5.0)
    ours = np.lexsort((pairs.lengths, pairs.second, pairs.first))
    theirs = np.lexsort((d, j, i))
    np.testing.assert_array_equal(pairs.first[ours], i[theirs])
    np.testing.assert_array_equal(pairs.second[ours], j[theirs])
    np.testing.assert_allclose(pairs.lengths[ours], d[theirs], atol=1e-9)
    assert np.linalg.norm(vectors.sum(axis=0) - pairs.vectors.sum(axis=0)) < 1e-6


def test_closest_contact_in_covalent_radii():
    water = molecule("H2O")
    ratio = water.get_distance(0, 1) / (covalent_radii[8] + covalent_radii[1])
    assert closest_contact(water, 1.2) == pytest.approx(ratio)
    assert np.isinf(closest_contact(water, 0.9 * ratio))
    assert np.isinf(closest_contact(Atoms("H"), 3.0))


def test_the_closest_pair_may_be_an_atom_and_its_image():
    chain = Atoms("Si", cell=[0.9, 5, 5], pbc=True)
    pair = closest_pair(chain)
    assert (pair.first, pair.second, pair.distance) == (0, 0, pytest.approx(0.9))
    chain.pbc = False
    assert closest_pair(chain) is None


def test_clearance_is_what_the_closest_pair_has_left():
    carbide = bulk("SiC", "zincblende", a=4.36, cubic=True)
    carbide.rattle(0.2, seed=1)
    radii = 0.7 * covalent_radii[carbide.numbers]
    i, j, d = neighbor_list("ijd", carbide, 4.0)
    expected = (d - radii[i] - radii[j]).min()
    assert clearance(carbide, 0.7, 1.0) == pytest.approx(expected)
    assert clearance(carbide, 0.7, expected / 2) == pytest.approx(expected / 2)
    assert clearance(carbide, 1.2, 1.0) < 0


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
