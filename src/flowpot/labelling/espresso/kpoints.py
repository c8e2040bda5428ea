"""Meshes of k-points."""

import math

import numpy as np
from ase import Atoms
from spglib import get_ir_reciprocal_mesh

_SYMPREC = 1e-3  # A: looser than pw.x's, so as not to miss a symmetry that it finds
_EQUAL = 1e-5  # A: axes that differ by less have one length


def kpoint_mesh(atoms: Atoms, distance: float) -> tuple[int, int, int]:
    """
    Choose a Gamma-centred mesh from the distance between its points.

    Parameters
    ----------
    atoms
        The frame; only its cell and periodic axes matter.
    distance
        Largest distance of neighbouring k-points, 2 pi included (1/A).

    Returns
    -------
    tuple of int
        n_i = max(1, ceil(round(|b_i| / distance, 5))) on periodic axes, 1 on the
        others. Three axes of one length get one number, the largest, so that the mesh
        keeps the symmetry of the cell (the rule of aiida-quantumespresso).

    Examples
    --------
    >>> from ase.build import bulk
    >>> kpoint_mesh(bulk("Si", "diamond", a=5.43, cubic=True), 0.3)
    (4, 4, 4)
    """
    if not distance > 0:
        raise ValueError(f"kspacing is {distance}: use a positive distance in 1/A")
    reciprocal = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    mesh = [
        max(1, math.ceil(round(length / distance, 5))) if periodic else 1
        for length, periodic in zip(reciprocal, atoms.pbc, strict=True)
    ]
    lengths = atoms.cell.lengths()
    if all(atoms.pbc) and np.ptp(lengths) < _EQUAL:
        mesh = [max(mesh)] * 3
    return mesh[0], mesh[1], mesh[2]


def inequivalent_kpoints(atoms: Atoms, mesh: tuple[int, int, int]) -> int:
    """
    Count the points of a mesh that neither symmetry nor time reversal relates.

    pw.x has as many, or more where it finds a symmetry that its grid does not allow,
    or is told to use none.

    Examples
    --------
    >>> from ase.build import bulk
    >>> inequivalent_kpoints(bulk("Si", "diamond", a=5.43), (4, 4, 4))
    8
    """
    if mesh == (1, 1, 1):
        return 1
    cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
    points, _ = get_ir_reciprocal_mesh(mesh, cell, symprec=_SYMPREC)
    return len(np.unique(points))
