"""Vacuum along open directions."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, mx2
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from flowpot.dataset.geometry.vacuum import add_vacuum, widest_gap, widest_layers


def gap_between_images(atoms: Atoms) -> float:
    """Measure the vacuum by brute force: atoms to images along open directions."""
    best = np.inf
    for axis in np.flatnonzero(~atoms.pbc):
        others = [k for k in range(3) if k != axis]
        normal = np.cross(*atoms.cell[others])
        normal /= np.linalg.norm(normal)
        height = abs(normal @ atoms.cell[axis])
        best = min(best, height - np.ptp(atoms.positions @ normal))
    return best


def bonds(atoms: Atoms) -> np.ndarray:
    return np.sort(neighbor_list("d", atoms, 3.2))


def test_every_structure_gets_its_vacuum(zoo):
    for name, atoms in zoo.items():
        made = add_vacuum(atoms, 15.0)
        assert gap_between_images(made) >= 15 - 1e-9, name
        np.testing.assert_array_equal(made.pbc, atoms.pbc)
        np.testing.assert_allclose(bonds(made), bonds(atoms), atol=1e-9, err_msg=name)
        inside = made.get_scaled_positions(wrap=False)[:, ~made.pbc]
        assert ((inside > -1e-6) & (inside < 1 + 1e-6)).all(), name
        again = add_vacuum(made, 15.0)
        np.testing.assert_allclose(again.positions, made.positions, atol=1e-9)
        np.testing.assert_allclose(again.cell, made.cell, atol=1e-9)


def test_a_crystal_is_left_alone(silicon):
    made = add_vacuum(silicon)
    np.testing.assert_array_equal(made.positions, silicon.positions)


def test_more_vacuum_than_asked_for_is_kept():
    sheet = graphene(vacuum=20)
    np.testing.assert_allclose(add_vacuum(sheet, 15).cell, sheet.cell)


@settings(max_examples=60, deadline=None)
@given(shift=st.floats(0, 1), tilt=st.floats(-1, 1), thin=st.booleans())
def test_slabs_that_straddle_the_boundary_are_joined(shift, tilt, thin):
    """Reference: 21 % of slab positions lost their vacuum."""
    slab = mx2("MoS2", vacuum=3.0) if thin else fcc111("Cu", (1, 1, 4), vacuum=5.0)
    slab.pbc = (True, True, False)
    slab.cell[2] += tilt * slab.cell[0]
    expected = bonds(slab)
    thickness = np.ptp(slab.positions[:, 2])
    shifted = slab.copy()
    shifted.pbc = True
    shifted.positions += shift * slab.cell[2]
    shifted.wrap(eps=0)
    shifted.pbc = (True, True, False)
    made = add_vacuum(shifted, 15.0)
    assert gap_between_images(made) >= 15 - 1e-9
    assert np.ptp(made.positions[:, 2]) == pytest.approx(thickness, abs=1e-6)
    np.testing.assert_allclose(bonds(made), expected, atol=1e-6)


def test_a_molecule_wrapped_around_a_corner_is_joined():
    ball = molecule("C60", vacuum=6.0)
    expected = bonds(ball)
    ball.pbc = True
    ball.positions += 0.5 * np.array(ball.cell).sum(axis=0)
    ball.wrap()
    ball.pbc = False
    np.testing.assert_allclose(bonds(add_vacuum(ball)), expected, atol=1e-6)


def test_what_is_far_apart_stays_far_apart():
    """A dissociated dimer is no dimer that straddles a boundary."""
    pair = Atoms("N2", [[5, 5, 5], [5, 5, 15]], cell=[10, 10, 20])
    assert add_vacuum(pair).get_distance(0, 1) == pytest.approx(10)


def test_what_would_overlap_is_not_joined():
    pair = Atoms("CsFe", [[1, 1, 0.3], [1, 1, 9.0]], cell=[10, 10, 10])
    assert add_vacuum(pair).get_distance(0, 1) == pytest.approx(8.7)


def test_atoms_outside_a_cell_were_never_wrapped():
    pair = Atoms("N2", [[0, 0, -5], [0, 0, 5]], cell=[12, 12, 12])
    assert add_vacuum(pair).get_distance(0, 1) == pytest.approx(10)


def test_a_molecule_in_a_flat_box():
    water = molecule("H2O")
    water.cell = [[10, 0, 0], [20, 0, 0], [0, 0, 0]]
    made = add_vacuum(water)
    assert gap_between_images(made) >= 15 - 1e-9


@pytest.mark.parametrize("vacuum", [0.0, -1.0, np.nan])
def test_vacuum_must_be_positive(vacuum):
    with pytest.raises(ValueError, match="vacuum is"):
        add_vacuum(bulk("Si"), vacuum)


def open_layers(atoms):
    return widest_layers(atoms)[~atoms.pbc]


def test_the_vacuum_is_measured_wherever_the_atoms_are():
    slab = fcc111("Cu", (2, 2, 3), vacuum=6)
    slab.pbc = (True, True, False)
    expected = 12.0
    for shift in (0.0, 7.0, -30.0):
        slab.positions[:, 2] += shift
        np.testing.assert_allclose(open_layers(slab), expected)
    skewed = molecule("H2O", vacuum=6)
    np.testing.assert_allclose(open_layers(skewed), 12.0)
    skewed.cell[2] += skewed.cell[0]  # the faces stay as far apart
    np.testing.assert_allclose(open_layers(skewed)[1:], 12.0)
    assert len(open_layers(bulk("Si"))) == 0


@pytest.mark.parametrize(
    ("fractions", "width", "end"),
    [([0.1, 0.2, 0.9], 0.7, 0.9), ([0.4, 0.6], 0.8, 0.4), ([0.3], 1.0, 0.3)],
)
def test_the_widest_gap_may_lie_across_the_boundary(fractions, width, end):
    assert widest_gap(np.array(fractions)) == pytest.approx((width, end))
