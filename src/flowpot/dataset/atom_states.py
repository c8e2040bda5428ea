"""The state of a frame by that of its atoms: charges, and vectors of moments."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.where import Where

_ROUNDING = 0.05
"""A sum of atoms' charges this near a whole number (e) is that number: charges that a
program has assigned to atoms are printed with few digits, and do not add up exactly."""
_STRAIGHT = 1e-3
"""Moments further from one axis than this (Bohr magnetons) are not collinear."""


def along_axis(
    vectors: NDArray[Any], frame: int, where: Where | None = None
) -> NDArray[np.float64]:
    """
    Turn vectors of magnetic moments into signed numbers along their common axis.

    Parameters
    ----------
    vectors
        Moments of the N atoms of a frame, shape (N, 3), in Bohr magnetons.
    frame, where
        Number of the frame and its file, for the message.

    Returns
    -------
    numpy.ndarray
        Shape (N,), in Bohr magnetons.

    Raises
    ------
    ValueError
        Where they have no common axis.
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    axis = vectors[lengths.argmax()] / (lengths.max() or 1.0)
    # The axis itself has no sign: its largest component points up.
    axis *= np.sign(axis[np.abs(axis).argmax()]) or 1.0
    along = vectors @ axis
    if (np.linalg.norm(vectors - along[:, None] * axis, axis=1) > _STRAIGHT).any():
        raise (where or Where()).frame(
            frame,
            "its magnetic moments are vectors with no common axis, and non-collinear "
            "magnetism is not supported: give one number per atom",
        )
    return np.asarray(along)


def with_atom_charges(
    stated: NDArray[np.float64],
    sums: Sequence[float] | NDArray[np.float64],
    where: Where | None = None,
) -> NDArray[np.float64]:
    """
    Complete the charges of frames by those of their atoms.

    Charges of atoms may be partial ones, such as Bader's, whose sum is known as well
    as they were printed: near a whole number it is this number; any other sum is no
    charge of a cell, and is left out with a warning.

    Parameters
    ----------
    stated
        Charges of the n frames (e), shape (n,), NaN where none is stated.
    sums
        Sums of their atoms' charges (e), shape (n,), NaN where the atoms have none.
    where
        The file they come from, for messages.

    Returns
    -------
    numpy.ndarray
        Charges (e), shape (n,), NaN where nothing is known.
    """
    added = np.asarray(sums, np.float64)
    whole = np.round(added) + 0.0
    is_partial = np.isnan(stated) & (np.abs(added - whole) > _ROUNDING)
    if is_partial.any():
        first = int(np.argmax(is_partial))
        told = (where or Where()).frame(
            first, f"the charges of its atoms add up to {added[first]:+.4g} e"
        )
        warnings.warn(
            f"{told}, which is no whole number; that of {is_partial.sum()} frame(s) is "
            "not taken for the charge of the cell: set info['charge'] of frames that "
            "are charged",
            stacklevel=3,
        )
        whole[is_partial] = np.nan
    return np.where(np.isnan(stated), whole, stated)
