"""Vacuum is restored, and nothing else changes."""

import numpy as np
import pytest
from ase.build import bulk, fcc111, graphene, molecule

from flowpot.dataset.geometry.vacuum import restore_vacuum


def distances(atoms):
    return atoms.get_all_distances(mic=True)


def gap(atoms, axis):
    normal = np.linalg.inv(atoms.cell.array)[:, axis]
    height = 1 / np.linalg.norm(normal)
    return height - np.ptp(atoms.positions @ normal) * height


def test_crystals_are_left_alone():
    atoms = bulk("Cu") * (2, 2, 2)
    found = restore_vacuum(atoms, 15.0, detect=5.0)
    np.testing.assert_array_equal(found.positions, atoms.positions)
    assert found.pbc.all()


def test_slab_that_drifted_is_centred():
    slab = fcc111("Cu", (2, 2, 3), vacuum=8.0)
    slab.pbc = (True, True, False)
    slab.positions += [0, 0, 31.0]
    found = restore_vacuum(slab, 15.0)
    np.testing.assert_allclose(distances(found), distances(slab), atol=1e-10)
    np.testing.assert_allclose(found.cell, slab.cell)
    middle = (found.positions[:, 2].min() + found.positions[:, 2].max()) / 2
    assert middle == pytest.approx(slab.cell[2, 2] / 2)


def test_vacuum_is_made_along_a_tilted_axis():
    slab = fcc111("Cu", (2, 2, 3), vacuum=2.0)
    slab.pbc = (True, True, False)
    slab.cell[2] += [1.5, -0.7, 0]
    found = restore_vacuum(slab, 15.0)
    assert gap(found, 2) == pytest.approx(15.0)
    np.testing.assert_allclose(distances(found), distances(slab), atol=1e-10)
    again = restore_vacuum(found, 15.0)
    np.testing.assert_allclose(again.positions, found.positions)
    np.testing.assert_array_equal(again.cell, found.cell)


def test_molecule():
    atoms = molecule("CH4")
    atoms.cell = np.eye(3) * [8, 9, 20]
    found = restore_vacuum(atoms, 15.0)
    np.testing.assert_allclose(distances(found), distances(atoms), atol=1e-10)
    assert gap(found, 0) == pytest.approx(15.0)
    assert found.cell[2, 2] == 20


def test_slab_that_straddles_the_boundary_is_found_and_joined():
    """A 3.4 A bilayer in a 20 A cell, for which a gap of 1.7 A was once found."""
    layer = graphene(a=2.46, vacuum=10.0)
    layer.cell[2, 2] = 20.0
    layer.pbc = True
    second = layer.copy()
    second.positions += [0, 2.46 / np.sqrt(3), 3.35]
    bilayer = layer + second
    bilayer.positions[:, 2] += 20 - bilayer.positions[:, 2].mean()
    bilayer.wrap()
    assert np.ptp(bilayer.positions[:, 2]) > 15
    found = restore_vacuum(bilayer, 15.0, detect=5.0)
    assert found.pbc.tolist() == [True, True, False]
    assert np.ptp(found.positions[:, 2]) == pytest.approx(3.35)
    np.testing.assert_allclose(distances(found), distances(bilayer), atol=1e-10)
    kept = restore_vacuum(bilayer, 15.0)
    np.testing.assert_array_equal(kept.positions, bilayer.positions)
