"""Directions that are said to be periodic, and hold vacuum all the same."""

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

_AXES = "abc"


class VacuumWarning(UserWarning):
    """Frames of a file hold vacuum along axes that it cannot but call periodic."""


def widest_gap(fractions: NDArray[np.float64]) -> tuple[float, float, float]:
    """
    Find the widest gap between atoms along one cell vector.

    Parameters
    ----------
    fractions
        Fractional coordinates along the vector, in [0, 1].

    Returns
    -------
    tuple
        The widest gap inside the cell, the fraction at which it ends, and the gap
        across the cell's boundary.
    """
    ordered = np.sort(fractions)
    across = 1 - ordered[-1] + ordered[0]
    if len(ordered) == 1:
        return 0.0, float(ordered[0]), float(across)
    gaps = np.diff(ordered)
    widest = int(gaps.argmax())
    return float(gaps[widest]), float(ordered[widest + 1]), float(across)


def empty_directions(atoms: Atoms, wider: float = 5.0) -> list[int]:
    """
    Find periodic directions that hold vacuum all the same.

    Parameters
    ----------
    atoms
        A cell with a volume.
    wider
        Empty layers wider than this (A) are vacuum.

    Returns
    -------
    list of int
        Which cell vectors; none for a single atom, whose images are its neighbours.
    """
    if len(atoms) == 1:
        return []
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell), axis=0)
    fractions = atoms.get_scaled_positions(wrap=True)
    return [
        int(axis)
        for axis in np.flatnonzero(atoms.pbc)
        if max(widest_gap(fractions[:, axis])[::2]) * heights[axis] > wider
    ]


def vacuum_note(frames: Iterable[Atoms]) -> str | None:
    """
    Say which frames hold vacuum along a periodic axis, and what to do about it.

    Parameters
    ----------
    frames
        The frames; they stay as they are.

    Returns
    -------
    str or None
        One sentence; None where no frame does.
    """
    found = []
    for frame, atoms in enumerate(frames):
        if atoms.pbc.any() and abs(np.linalg.det(atoms.cell)) > 0:
            found += [(frame, axes)] if (axes := empty_directions(atoms)) else []
    if not found:
        return None
    frame, axes = found[0]
    names = " and ".join(_AXES[axis] for axis in axes)
    wanted = "".join("F" if axis in axes else "T" for axis in range(3))
    return (
        f"{len(found)} frame(s), the first of them frame {frame}, are periodic along "
        f"{names} and hold vacuum there; they are taken as they are: set pbc to "
        f"{wanted} if they are slabs, wires or molecules"
    )
