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
    Values of Nascimento et al. 2025 as aiida-quantumespresso >= 4.10 has them. Its
    thresholds of relaxations have no use here: a label is a single point.
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


_SHARE = 1.2  # empty bands of smeared occupations, as pw.x chooses them: a fifth ...
_LEAST = 4  # ... and so many at least


def band_count(n_electrons: float, moment: float, system: Mapping[str, Any]) -> int:
    """
    Choose the number of Kohn-Sham states at each k-point, of each spin.

    pw.x's own choice where there is no magnetism. With it pw.x counts as if both spins
    had as many electrons; here the majority's fit in.

    Parameters
    ----------
    n_electrons
        Valence electrons of the frame.
    moment
        Largest magnetisation to expect (Bohr magnetons): the fixed one, or all starting
        moments parallel.
    system
        The namelist SYSTEM: occupations, and whether spin is collinear.

    Raises
    ------
    ValueError
        Where occupations are fixed and the electrons cannot fill whole bands.
    """
    spinors = bool(system.get("noncolin"))  # which hold one electron each
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
