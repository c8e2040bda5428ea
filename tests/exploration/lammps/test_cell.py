"""The map to LAMMPS's axes, against the geometry that it must keep."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.preparation import boxed

cells = arrays(float, (3, 3), elements=st.floats(-10, 10)).filter(
    lambda c: abs(np.linalg.det(c)) > 1.0
)


@settings(deadline=None, max_examples=100)
@given(cells, st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_any_cell_becomes_lower_triangular_and_comes_back(cell, pbc):
    atoms = Atoms("Cu", cell=cell, pbc=pbc)
    found = LammpsCell.of(atoms)
    lower = found.start
    assert (np.triu(lower, 1) == 0).all()
    assert (np.diag(lower) > 0).all()
    np.testing.assert_allclose(found.cell_back(lower), cell, atol=1e-12)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-13)
    periodic = atoms.pbc[found.order]
    assert (np.diff(periodic.astype(int)) <= 0).all(), "periodic axes come first"


@settings(deadline=None, max_examples=50)
@given(cells, arrays(float, (4, 3), elements=st.floats(-20, 20)))
def test_distances_and_tensors_are_kept(cell, positions):
    found = LammpsCell.of(Atoms("Cu", cell=cell, pbc=True))
    moved = found.vectors(positions)
    np.testing.assert_allclose(
        np.linalg.norm(moved, axis=1), np.linalg.norm(positions, axis=1), atol=1e-12
    )
    np.testing.assert_allclose(found.vectors_back(moved), positions, atol=1e-12)
    stress = cell + cell.T
    rotated = found.tensor(stress)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(rotated), np.linalg.eigvalsh(stress), atol=1e-11
    )
    np.testing.assert_allclose(found.tensor_back(rotated), stress, atol=1e-11)
    # A force along a displacement stays along it: v.S.v is the same in both axes.
    np.testing.assert_allclose(
        np.einsum("ni,ij,nj->n", moved, rotated, moved),
        np.einsum("ni,ij,nj->n", positions, stress, positions),
        atol=1e-8,
    )


def test_a_cell_that_lammps_likes_is_left_alone():
    atoms = bulk("Cu", cubic=True)
    found = LammpsCell.of(atoms)
    np.testing.assert_array_equal(found.rotation, np.eye(3))
    np.testing.assert_array_equal(found.start, atoms.cell.array)


def test_atoms_that_left_along_a_non_periodic_axis_are_put_back():
    atoms = Atoms("Cu2", [[1, 1, -2], [1, 1, 2]], cell=[4, 5, 6], pbc=[1, 1, 0])
    found = LammpsCell.of(atoms)
    wrapped = atoms.positions + np.array([[0, 0, 6], [0, 0, 0]])
    images = np.array([[0, 0, -1], [3, 0, 0]])
    back = found.positions_back(wrapped, images, found.start, np.zeros(3), atoms.pbc)
    np.testing.assert_allclose(back, atoms.positions, atol=1e-13)


def test_flat_cell_is_refused():
    atoms = Atoms("Cu", cell=[[3, 0, 0], [0, 3, 0], [3, 3, 0]], pbc=True)
    with pytest.raises(ValueError, match="encloses no volume"):
        LammpsCell.of(atoms)


def test_box_of_a_molecule_keeps_its_images_apart():
    molecule = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]])
    found = boxed(molecule, 15.0)
    np.testing.assert_allclose(found.cell.lengths(), [15, 15, 17.5])
    assert not found.pbc.any()
