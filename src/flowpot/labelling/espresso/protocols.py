"""Numerical parameters of a pw.x calculation: protocols, k-points, bands."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from spglib import get_ir_reciprocal_mesh


@dataclass(frozen=True)
class Protocol:
    """
    Numerical parameters of a pw.x calculation.

    Parameters
    ----------
    kpoints_distance
        Largest distance of neighbouring k-points, 2 pi included (1/A).
    degauss
        Width of the cold smearing (Ry).
    conv_thr_per_atom
        SCF threshold on the estimated energy error, per atom (Ry).
    mixing_beta
        Fraction of the new density that is mixed in.
    electron_maxstep
        SCF iterations before pw.x gives up.

    Notes
    -----
    The values are those of Nascimento et al. 2025, as in aiida-quantumespresso >= 4.10,
    without thresholds for relaxations, as a label is a single point.
    """

    kpoints_distance: float
    degauss: float
    conv_thr_per_atom: float
    mixing_beta: float = 0.4
    electron_maxstep: int = 80


def get_protocol(name: str) -> Protocol:
    """
    Return a protocol by its name.

    Parameters
    ----------
    name
        ``"stringent"``, ``"balanced"`` or ``"fast"``.

    Raises
    ------
    ValueError
        If there is no such protocol.

    Examples
    --------
    >>> get_protocol("fast").kpoints_distance
    0.3
    """
    protocols = {
        "stringent": Protocol(0.10, 0.0125, 1e-10),
        "balanced": Protocol(0.15, 0.02, 2e-10),
        "fast": Protocol(0.30, 0.0275, 4e-10),
    }
    if name not in protocols:
        raise ValueError(f"protocol is {name!r}: use one of {', '.join(protocols)}")
    return protocols[name]


_SYMPREC = 1e-3  # A: looser than pw.x's, to find all symmetries that it finds
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
        Numbers of points n_i = max(1, ceil(round(|b_i| / distance, 5))) along periodic
        axes, 1 along the others. Three axes of equal length have the largest of their
        numbers, so that the mesh has the symmetry of the cell (as in
        aiida-quantumespresso).

    Raises
    ------
    ValueError
        If the distance is not positive.

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

    pw.x has at least as many: more if a symmetry does not fit its grid, or if it is
    told not to use symmetry.

    Parameters
    ----------
    atoms
        The frame.
    mesh
        Numbers of points along the axes of a Gamma-centred mesh.

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


_SHARE = 1.2  # bands over filled ones with smearing, as pw.x chooses them ...
_LEAST = 4  # ... and the least number of empty ones


def band_count(n_electrons: float, moment: float, system: Mapping[str, Any]) -> int:
    """
    Choose the number of Kohn-Sham states of each spin at each k-point.

    Without magnetism this is pw.x's own choice. With magnetism pw.x counts as if both
    spins had the same number of electrons; here those of the majority fit in.

    Parameters
    ----------
    n_electrons
        Number of valence electrons of the frame.
    moment
        Largest magnetisation to expect (Bohr magnetons): the fixed one, or that of
        parallel starting moments.
    system
        Keys of the namelist SYSTEM.

    Raises
    ------
    ValueError
        If occupations are fixed and the electrons do not fill whole bands.
    """
    spinors = bool(system.get("noncolin"))  # each state holds one electron
    filled = n_electrons if spinors else (n_electrons + abs(moment)) / 2
    if system.get("occupations") != "fixed":
        occupied = math.ceil(filled)
        return max(math.floor(_SHARE * filled + 0.5), occupied + _LEAST)
    if system.get("nspin", 1) == 2 and "tot_magnetization" not in system:  # noqa: PLR2004
        raise ValueError(
            "occupations are fixed and spins polarised: set tot_magnetization in "
            "user_settings['SYSTEM'], or use smearing"
        )
    if not math.isclose(filled, round(filled)):
        raise ValueError(
            f"occupations are fixed, but {n_electrons:g} electrons fill no whole "
            "number of bands: use smearing, or nspin = 2 with tot_magnetization"
        )
    return round(filled)
