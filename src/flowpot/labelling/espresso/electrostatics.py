"""Periodic images that are not there: molecules, slabs, dipoles."""

from typing import Any

import numpy as np
from ase import Atoms

_ALONG = 1e-6  # A: how exactly axes are to lie along x, y and z


def isolation(atoms: Atoms, choice: str | None) -> dict[str, Any]:
    """
    Choose how pw.x removes the interaction with periodic images.

    Parameters
    ----------
    atoms
        The frame.
    choice
        ``"auto"``: Martyna-Tuckerman without periodic axes, the 2D cutoff of Sohier et
        al., Phys. Rev. B 96, 075448 (2017) with two, where the cell permits either;
        any other value is for pw.x's ``assume_isolated``, None for none.

    Returns
    -------
    dict
        Keys of the namelist SYSTEM.
    """
    if choice is None or all(atoms.pbc):
        return {}
    if choice != "auto":
        return {"assume_isolated": choice}
    if not any(atoms.pbc) and _twice_as_large(atoms):
        return {"assume_isolated": "martyna-tuckerman"}
    if tuple(atoms.pbc) == (True, True, False) and _upright(atoms):
        return {"assume_isolated": "2D"}
    return {}


def dipole_correction(atoms: Atoms) -> dict[str, dict[str, Any]]:
    """
    Choose the sawtooth that cancels the field of a slab's dipole.

    Bengtsson, Phys. Rev. B 59, 12301 (1999). It changes its sign in the middle of
    the vacuum, over a tenth of it.

    Returns
    -------
    dict
        Namelists; none where the frame is no slab with exactly one open axis.
    """
    if sum(map(bool, atoms.pbc)) != len(atoms.pbc) - 1:
        return {}
    axis = int(np.flatnonzero(~atoms.pbc)[0])
    heights = np.sort(atoms.get_scaled_positions()[:, axis])
    gaps = np.diff(heights, append=heights[0] + 1.0)
    widest = int(gaps.argmax())
    width = 0.1 * gaps[widest]
    middle = heights[widest] + 0.5 * gaps[widest]
    return {
        "control": {"tefield": True, "dipfield": True},
        "system": {
            "edir": axis + 1,
            "emaxpos": round(float((middle - 0.5 * width) % 1.0), 6),
            "eopreg": round(float(width), 6),
            "eamp": 0.0,
        },
    }


def _twice_as_large(atoms: Atoms) -> bool:
    """Whether the box is twice the molecule: the method's condition."""
    cell = atoms.cell[:]
    orthogonal = np.abs(cell - np.diag(np.diag(cell))).max() < _ALONG
    spans = np.ptp(atoms.positions, axis=0)
    return bool(orthogonal and (np.diag(cell) >= 2 * spans).all())


def _upright(atoms: Atoms) -> bool:
    """Whether the third axis is z and the others are in the plane."""
    cell = atoms.cell[:]
    return bool(np.abs(np.r_[cell[:2, 2], cell[2, :2]]).max() < _ALONG)
