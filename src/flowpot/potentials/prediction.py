"""What a potential predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


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
