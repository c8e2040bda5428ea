"""Crystals of several elements that several tests take; copy them to change them."""

from ase import Atoms
from ase.spacegroup import crystal


def _without_info(atoms: Atoms) -> Atoms:
    """Remove the space group, with which ASE's crystals come."""
    atoms.info.clear()
    return atoms


PEROVSKITE = _without_info(
    crystal(
        ["Sr", "Ti", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[3.905] * 3 + [90] * 3,
    )
)
RUTILE = _without_info(
    crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[4.6, 4.6, 2.95, 90, 90, 90],
    )
)
MONOCLINIC_ZIRCONIA = _without_info(
    crystal(
        ["Zr", "O", "O"],
        [(0.275, 0.04, 0.208), (0.07, 0.33, 0.345), (0.45, 0.757, 0.479)],
        spacegroup=14,
        cellpar=[5.15, 5.21, 5.32, 90, 99.2, 90],
    )
)


def four_metals(edges):
    """Return an ordered alloy, which is orthorhombic in a cube, too."""
    return Atoms(
        "CuAgAuPd",
        cell=edges,
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
        pbc=True,
    )
