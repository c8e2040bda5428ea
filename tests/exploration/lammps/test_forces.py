"""What LAMMPS computes with a potential equals what ASE computes with it."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT

from flowpot.exploration.preparation import boxed


def rattled(atoms: Atoms, seed: int = 0) -> Atoms:
    atoms = atoms.copy()
    atoms.rattle(0.1, seed=seed)
    return atoms


def rotated(atoms: Atoms) -> Atoms:
    """In an orientation with nothing along the axes, some atoms out of the cell."""
    atoms = atoms.copy()
    atoms.rotate(41, (1, 2, 3), rotate_cell=True)
    atoms.positions += [3.0, -5.0, 1.0]
    return atoms


def left_handed(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    assert atoms.cell.handedness == -1
    return atoms


def slab() -> Atoms:
    slab = fcc111("Cu", (2, 2, 2), vacuum=8.0)
    slab.pbc = (True, True, False)
    return slab


def frames() -> dict[str, Atoms]:
    """Frames of every shape, handedness and periodicity."""
    cubic = bulk("Cu", cubic=True)
    sheared = cubic.copy()
    sheared.set_cell(cubic.cell.array @ [[1, 0, 0], [0.3, 1, 0], [-0.2, 0.4, 1.1]])
    skewed = bulk("Cu") * (1, 1, 3)
    turned = slab()
    turned.set_cell(turned.cell.array[[2, 0, 1]])
    turned.pbc = (False, True, True)
    return {
        "orthogonal": rattled(cubic),
        "sheared": rattled(sheared),
        "skewed": rattled(rotated(skewed)),
        "left-handed": rattled(left_handed(rotated(sheared))),
        "slab": rattled(slab()),
        "slab along a": rattled(left_handed(rotated(turned))),
        "molecule": rattled(boxed(molecule("H2O"), 10.0)),
    }


def assert_equals_ase(atoms, found, calculator):
    reference = atoms.copy()
    reference.calc = calculator
    np.testing.assert_allclose(
        found.energy, reference.get_potential_energy(), rtol=1e-9, atol=1e-10
    )
    np.testing.assert_allclose(found.forces, reference.get_forces(), atol=1e-9)
    if atoms.pbc.any():
        stress = reference.get_stress(voigt=False)
        # LAMMPS's constant of pressure has 8 digits.
        np.testing.assert_allclose(found.stress, stress, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", frames())
def test_step_zero(name, step_zero):
    atoms = frames()[name]
    assert_equals_ase(atoms, step_zero(atoms, EMT()), EMT())


@pytest.mark.parametrize("symbols", itertools.permutations(["Cu", "Au", "Ni", "Al"]))
def test_species_are_never_swapped(symbols, step_zero):
    """Bug B2: each order of the sites gives each atom its own element's forces."""
    atoms = bulk("Cu", a=3.9, cubic=True)
    atoms.symbols[:] = symbols
    atoms = rattled(atoms)
    assert_equals_ase(atoms, step_zero(atoms, EMT()), EMT())
