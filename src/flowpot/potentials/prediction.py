"""What a potential predicts."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.neighbours import find_pairs

_COINCIDENT = 1e-3
"""Atoms closer than this (A) are at the same place."""


class MissingOutputError(NotImplementedError):
    """A model does not have an output, such as features."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """
    Predictions for n frames of A atoms in all, in float64.

    A committee's arrays have one more axis in front: the member.

    Parameters
    ----------
    energy
        Total energies, shape (n,), in eV.
    forces
        Forces, shape (A, 3), in eV/A.
    stress
        Stress, shape (n, 3, 3), in eV/A^3, positive under tension (ASE's sign);
        NaN for a frame without a periodic axis or without a volume.
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self], axis: int = 0) -> Self:
        """Join predictions for one batch after the other, along the axis of frames."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.energy for part in parts], axis),
            np.concatenate([part.forces for part in parts], axis),
            np.concatenate([part.stress for part in parts], axis),
        )


NO_PREDICTION = Prediction(np.empty(0), np.empty((0, 3)), np.empty((0, 3, 3)))
"""Prediction for no frames."""


def warn_of_nan(frame: Arrays, energy: float, forces: NDArray[np.float64]) -> None:
    """
    Warn of a prediction that is not finite, and name atoms at the same place.

    Parameters
    ----------
    frame
        One frame, whose atoms and cell are finite.
    energy, forces
        What was predicted: eV, and shape (N, 3) in eV/A.
    """
    if np.isfinite(energy) and np.isfinite(forces).all():
        return
    cell, pbc = frame.cell[0], frame.pbc[0]
    atoms = Atoms(frame.numbers, frame.positions, cell=cell, pbc=pbc)
    pairs = find_pairs(atoms, _COINCIDENT).half()
    reason = "no two of its atoms are at the same place; train the potential again"
    if len(pairs.first):
        reason = (
            f"its atoms {pairs.first[0]} and {pairs.second[0]} are at the same place; "
            "move one of them, or remove it"
        )
    warnings.warn(
        f"the predicted energy or forces of the frame are NaN or infinite: {reason}",
        stacklevel=3,
    )
