"""Strain of periodic directions."""

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule, mx2
from scipy.stats import kstest

from flowpot.augmentation import deform, strain
from flowpot.augmentation.deformation import STRAIN_MODES, deformations


@pytest.mark.parametrize("mode", STRAIN_MODES)
def test_vacuum_is_never_strained(mode):
    """The reference strains 15 A of vacuum to 12 A, and a layer's thickness."""
    sheet = mx2("MoS2", vacuum=7.5)
    sheet.pbc = (True, True, False)
    for seed in range(20):
        made = strain(sheet, np.random.default_rng(seed), mode=mode)
        assert made.cell[2] == pytest.approx(sheet.cell[2])
        np.testing.assert_allclose(made.positions[:, 2], sheet.positions[:, 2])
        assert not np.allclose(made.cell[:2], sheet.cell[:2])


def test_vacuum_along_a_tilted_vector_is_kept(zoo):
    slab = zoo["tilted slab"]
    made = strain(slab, np.random.default_rng(1))
    area = np.linalg.norm(np.cross(made.cell[0], made.cell[1]))
    area_before = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    height = made.get_volume() / area
    assert height == pytest.approx(slab.get_volume() / area_before)
    np.testing.assert_allclose(made.positions[:, 2], slab.positions[:, 2])


def test_isotropic_strain_is_uniform_between_its_limits(silicon):
    rng = np.random.default_rng(0)
    amounts = [
        strain(silicon, rng, limits=(-0.2, 0.6)).cell[0, 0] / silicon.cell[0, 0] - 1
        for _ in range(2000)
    ]
    assert kstest(amounts, "uniform", args=(-0.2, 0.8)).pvalue > 0.01


def test_the_lattice_keeps_its_shape_under_isotropic_strain(zoo):
    for name in ("diamond", "skewed", "left-handed", "one atom"):
        atoms = zoo[name]
        made = strain(atoms, np.random.default_rng(3))
        np.testing.assert_allclose(made.cell.angles(), atoms.cell.angles())
        np.testing.assert_allclose(
            made.get_scaled_positions(wrap=False),
            atoms.get_scaled_positions(wrap=False),
            atol=1e-9,
        )


def test_uniaxial_and_shear_strain_are_what_they_say():
    cell, pbc = np.array(bulk("Si").cell), np.array([True] * 3)
    amounts = np.full(500, 0.1)
    rng = np.random.default_rng(0)
    stretched = deformations(cell, pbc, amounts, rng, "uniaxial")
    values, vectors = np.linalg.eigh(stretched)
    np.testing.assert_allclose(values, [[1, 1, 1.1]] * 500)
    # Isotropic directions: no preferred axis.
    assert np.abs((vectors[:, :, 2] ** 2).mean(axis=0) - 1 / 3).max() < 0.05
    sheared = deformations(cell, pbc, amounts, rng, "shear")
    np.testing.assert_allclose(
        np.linalg.eigvalsh(sheared), [[0.95, 1, 1.05]] * 500, atol=1e-12
    )
    np.testing.assert_allclose(np.trace(sheared, axis1=1, axis2=2), 3.0)


def test_molecules_are_not_strained():
    water = molecule("H2O")
    made = strain(water, np.random.default_rng(0))
    np.testing.assert_array_equal(made.positions, water.positions)


def test_shear_of_a_wire_is_refused(zoo):
    with pytest.raises(ValueError, match="needs two periodic directions"):
        strain(zoo["wire"], np.random.default_rng(0), mode="shear")


def test_deform_moves_atoms_with_the_cell(silicon):
    gradient = np.array([[1.1, 0.1, 0], [0, 0.9, 0], [0, 0.2, 1]])
    made = deform(silicon, gradient)
    np.testing.assert_allclose(made.cell[1], gradient @ silicon.cell[1])
    np.testing.assert_allclose(
        made.get_scaled_positions(wrap=False),
        silicon.get_scaled_positions(wrap=False),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    "limits", [(-1.0, 0.1), (0.2, 0.1), (np.nan, 0.1), (0.0, np.inf), 0.1, "ab"]
)
def test_impossible_limits_are_refused(limits):
    with pytest.raises(ValueError, match="limits is"):
        strain(graphene(), np.random.default_rng(0), limits=limits)


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="strain mode is 'twist'"):
        strain(bulk("Si"), np.random.default_rng(0), mode="twist")
