"""How many bands a calculation needs."""

import math
from collections.abc import Mapping
from typing import Any

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
