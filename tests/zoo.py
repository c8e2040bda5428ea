"""Structures that geometry has stumbled over."""

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, mx2, nanotube


def skewed_crystal() -> Atoms:
    """A 5-element crystal in a cell skewed far beyond what is reduced."""
    atoms = bulk("NaCl", "cesiumchloride", a=3.2) * (2, 2, 1)
    atoms.symbols = ["Na", "Cl", "K", "Br", "Na", "Cl", "Na", "I"]
    cell = np.array(atoms.cell)
    atoms.set_cell(np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]]) @ cell)
    return atoms


def left_handed() -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.2)
    atoms.set_cell(np.array(atoms.cell)[[1, 0, 2]])
    return atoms


def tilted_slab() -> Atoms:
    slab = fcc111("Cu", (2, 2, 3), vacuum=4)
    slab.pbc = (True, True, False)
    slab.cell[2] += 1.5 * slab.cell[0]
    return slab


def wire() -> Atoms:
    tube = nanotube(4, 0)
    tube.pbc = (False, False, True)
    return tube


def structures() -> dict[str, Atoms]:
    """Crystals, layers, a wire, molecules, atoms; one to five elements."""
    return {
        "diamond": bulk("C", "diamond", a=3.567),
        "one atom": bulk("Cu", "fcc", a=3.61),
        "skewed": skewed_crystal(),
        "left-handed": left_handed(),
        "graphene": graphene(),
        "MoS2": mx2("MoS2", vacuum=None),
        "tilted slab": tilted_slab(),
        "wire": wire(),
        "C60": molecule("C60"),
        "ethanol": molecule("CH3CH2OH"),
    }
