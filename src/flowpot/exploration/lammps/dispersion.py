"""Grimme's D2 dispersion in LAMMPS: the pair style momb without its Morse part."""

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import combinations_with_replacement
from typing import Literal

from ase.data import chemical_symbols

Dispersion = Literal["d2"]

CUTOFF = 20.0  # A
_S6 = 0.75  # PBE
_DAMPING = 20.0


def momb_style() -> str:
    """Return the pair style with its arguments: cutoff (A), s6 and damping."""
    return f"momb {CUTOFF} {_S6} {_DAMPING}"


def momb_coefficients(species: Sequence[int], *, overlay: bool) -> list[str]:
    """
    Return the pair coefficients of every pair of species.

    Parameters
    ----------
    species
        Atomic numbers in the order of LAMMPS's atom types.
    overlay
        Whether momb is added to another pair style, so that its name is needed.

    Raises
    ------
    ValueError
        For an element that D2 has no parameters for.

    Notes
    -----
    E = -s6 sum C6_ij / r^6 / (1 + exp(-d (r / R_ij - 1))) over pairs, with
    C6_ij = sqrt(C6_i C6_j) and R_ij = R_i + R_j (Grimme, J. Comput. Chem. 27, 1787
    (2006), eqs. 11-13).
    """
    table = _parameters()
    unknown = [chemical_symbols[z] for z in species if chemical_symbols[z] not in table]
    if unknown:
        raise ValueError(
            f"dispersion is 'd2', which has no parameters for {', '.join(unknown)}: "
            "leave it out (None) for these elements"
        )
    pairs = combinations_with_replacement(enumerate(species, start=1), 2)
    style = "momb " if overlay else ""
    commands = []
    for (i, first), (j, second) in pairs:
        a, b = table[chemical_symbols[first]], table[chemical_symbols[second]]
        c6 = (a["c6"] * b["c6"]) ** 0.5
        radius = a["r0"] + b["r0"]
        commands.append(
            f"pair_coeff {i} {j} {style}0.0 1.0 1.0 {c6:.10g} {radius:.10g}"
        )
    return commands


@lru_cache(maxsize=1)
def _parameters() -> dict[str, dict[str, float]]:
    """Return C6 (eV A^6) and van der Waals radius (A) by chemical symbol."""
    file = files("flowpot.exploration.lammps") / "dispersion_d2.json"
    return json.loads(file.read_text())["elements"]
