import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from flowpot.labelling.espresso import kpoint_mesh


@pytest.mark.parametrize(("distance", "n"), [(0.10, 4), (0.15, 3), (0.30, 2)])
def test_the_papers_18_angstrom_cell(distance, n):
    """The meshes of the reference implementation: 4, 3 and 2 points an axis."""
    cell = Atoms("Si", cell=[18.0] * 3, pbc=True)
    assert kpoint_mesh(cell, distance) == (n, n, n)


def test_spacing_is_at_most_the_distance():
    atoms = Atoms("Si", cell=[[3, 0, 0], [1, 5, 0], [0.5, 0.3, 9]], pbc=True)
    mesh = kpoint_mesh(atoms, 0.2)
    lengths = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    assert (lengths / mesh <= 0.2 + 1e-5).all()
    assert (lengths / (np.array(mesh) - 1) > 0.2).all()


def test_one_point_on_axes_without_periodicity():
    slab = bulk("Cu", cubic=True)
    slab.pbc = (True, True, False)
    assert kpoint_mesh(slab, 0.3)[2] == 1
    assert kpoint_mesh(slab, 0.3)[0] > 1


def test_equal_axes_get_equal_numbers():
    """A distorted cell of three equal lengths, whose reciprocal lengths differ."""
    cell = 4 * np.array([[1, 0, 0], [0.5, np.sqrt(0.75), 0], [0, 0, 1]])
    mesh = kpoint_mesh(Atoms("Si", cell=cell, pbc=True), 0.26)
    assert len(set(mesh)) == 1


def test_a_distance_of_zero_is_refused():
    with pytest.raises(ValueError, match="kspacing is 0"):
        kpoint_mesh(bulk("Si"), 0)
