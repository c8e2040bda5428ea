import numpy as np
import pytest
from matscipy.neighbours import neighbour_list

from flowpot.dataset.geometry.cells import (
    completed,
    lattice_planes,
    periodic_cell,
    volume_ratio,
)

SLAB = np.array([[0.0, 0, 0], [1, 1, 2.0], [0.5, 0.2, 4.0]])
TILTED = np.array([[4.0, 0, 0], [1, 4, 0], [0.5, -0.5, 9]])


def test_a_fully_periodic_cell_is_left_alone():
    assert periodic_cell(SLAB, TILTED, np.array([True] * 3), 5.0) is TILTED


def test_enough_vacuum_is_left_alone():
    pbc = np.array([True, True, False])
    assert np.allclose(periodic_cell(SLAB, TILTED, pbc, 4.9), TILTED)


@pytest.mark.parametrize("pbc", [(1, 1, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)])
@pytest.mark.parametrize("cutoff", [4.0, 6.0])
def test_images_along_vacuum_lie_beyond_the_cutoff(pbc, cutoff):
    pbc = np.array(pbc, bool)
    cell = periodic_cell(SLAB, TILTED, pbc, cutoff)
    shifts = neighbour_list(
        "S", cutoff=cutoff, positions=SLAB, cell=cell, pbc=(True,) * 3
    )
    assert np.all(shifts[:, ~pbc] == 0)
    assert np.allclose(cell[pbc], TILTED[pbc])


def test_missing_cell_vectors_are_completed():
    cell = periodic_cell(SLAB, np.zeros((3, 3)), np.array([False] * 3), 4.0)
    assert np.linalg.det(cell) > 0


def test_stress_refers_to_the_volume_of_the_frame():
    pbc = np.array([True, True, False])
    cell = periodic_cell(SLAB, TILTED, pbc, 6.0)
    grown = np.linalg.det(cell) / np.linalg.det(TILTED)
    assert grown > 1
    assert volume_ratio(cell, TILTED, pbc) == pytest.approx(grown)


def test_no_periodic_axis_or_no_volume_means_no_stress():
    assert np.isnan(volume_ratio(TILTED, TILTED, np.array([False] * 3)))
    flat = TILTED * [[1], [1], [0]]
    assert np.isnan(volume_ratio(TILTED, flat, np.array([True, True, False])))


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2]])
def test_lattice_planes_are_those_of_the_other_two_vectors(order):
    cell = TILTED[order]
    normals, distances = lattice_planes(cell)
    for axis in range(3):
        for other in {0, 1, 2} - {axis}:
            assert normals[axis] @ cell[other] == pytest.approx(0, abs=1e-12)
        assert normals[axis] @ cell[axis] == pytest.approx(distances[axis])
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0)
    area = np.linalg.norm(np.cross(TILTED[0], TILTED[1]))
    assert distances[2] == pytest.approx(abs(np.linalg.det(TILTED)) / area)


def test_only_cells_without_a_volume_are_completed():
    pbc = np.array([[True, True, False], [True, False, False], [False] * 3])
    flat = np.array(
        [TILTED, TILTED * [[1], [0], [0]], [[1.0, 0, 0], [2, 0, 0], [0] * 3]]
    )
    whole = completed(flat, pbc)
    assert np.array_equal(whole[0], TILTED)
    assert np.array_equal(whole[1, 0], TILTED[0])
    assert np.all(np.abs(np.linalg.det(whole)) > 0.5)
