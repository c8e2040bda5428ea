"""
Frames whose geometry is none: NaN, no atoms, or no volume along periodic axes.

A search for neighbours does not end in such a frame, or crashes.
"""

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.where import Where

_FLAT = 1e-6
"""A periodic cell is degenerate where its volume is under this share of the product of
its lengths."""


def is_sound(frames: Arrays) -> NDArray[np.bool_]:
    """
    Find the frames that are a geometry.

    Parameters
    ----------
    frames
        n frames.

    Returns
    -------
    numpy.ndarray
        Whether each has atoms, finite positions and a finite cell with a volume along
        its periodic axes, shape (n,).
    """
    sound = np.asarray(np.isfinite(frames.cell).all(axis=(1, 2)))
    finite_cells = np.where(sound[:, None, None], frames.cell, np.eye(3))
    sound &= ~_is_flat(finite_cells, frames.pbc) & (frames.n_atoms > 0)
    atoms = np.flatnonzero(~np.isfinite(frames.positions).all(axis=1))
    sound[np.searchsorted(frames.offsets, atoms, side="right") - 1] = False
    return sound


def check_sound(frames: Arrays, where: Where) -> None:
    """
    Check that all frames are geometries: see `is_sound`.

    Raises
    ------
    ValueError
        Naming the frame, what is wrong with it, and the remedy.
    """
    cell, pbc, offsets = frames.cell, frames.pbc, frames.offsets
    empty = np.flatnonzero(frames.n_atoms <= 0)
    if len(empty):
        raise where.frame(empty[0], "it has no atoms: remove it")
    atom = first_not_finite(frames.positions)
    if atom is not None:
        frame = frame_of(atom, offsets)
        raise where.frame(
            frame,
            f"the position of atom {atom - offsets[frame]} is "
            f"{frames.positions[atom]}: remove the frame",
        )
    bad = first_not_finite(cell)
    if bad is not None:
        raise where.frame(bad, "its cell is not finite: remove the frame")
    flat = np.flatnonzero(_is_flat(cell, pbc))
    if len(flat):
        axes = "".join("FT"[int(axis)] for axis in pbc[flat[0]])
        raise where.frame(
            flat[0],
            f"its cell has no volume along the periodic axes (pbc {axes}): give it a "
            "cell, or set pbc to False",
        )


def _is_flat(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether the periodic vectors of each cell are dependent, shape (n,)."""
    # Gram determinant of the periodic vectors: their volume, area or length squared.
    periodic = cell * pbc[:, :, None]
    gram = periodic @ periodic.transpose(0, 2, 1)
    lengths = np.where(pbc, np.sqrt(np.einsum("nii->ni", gram)), 1.0)
    gram[:, np.arange(3), np.arange(3)] += ~pbc
    volume = np.sqrt(np.clip(np.linalg.det(gram), 0, None))
    flat: NDArray[np.bool_] = volume <= _FLAT * lengths.prod(axis=1)
    return flat


def first_not_finite(values: NDArray[np.float64]) -> int | None:
    """Return the first row that has NaN or infinity in it, None where none has."""
    finite = np.isfinite(values)
    if finite.all():
        return None
    return int(np.argmin(finite.reshape(len(values), -1).all(axis=1)))


def frame_of(atom: int, offsets: NDArray[np.int64]) -> int:
    """Return the frame that a row of the per-atom arrays belongs to."""
    return int(np.searchsorted(offsets, atom, side="right")) - 1
