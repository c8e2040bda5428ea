"""
Uncertainties and force errors of single atoms, of which their error bars are made.

Errors of atoms scatter more than those of whole frames, whose squares are averages:
the error model of frames gives bars that are too narrow for an atom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation.predicted import of_atoms
from flowpot.evaluation.prediction import CommitteePrediction
from flowpot.evaluation.uncertainty.base import PerFrame

Array = NDArray[np.float64]

MOST = 32
"""Atoms of one frame that are kept: more of them say little that is new."""
_SEED = 0  # the same frames have the same atoms


def uncertainty_of_atoms(
    prediction: CommitteePrediction, measured: Sequence[PerFrame]
) -> PerFrame:
    """
    Join all uncertainties of the A atoms of some frames.

    Parameters
    ----------
    prediction
        Of the members, for the frames.
    measured
        What each further uncertainty has measured of atoms.

    Returns
    -------
    dict
        (A,) arrays by name: those of :func:`of_atoms`, and what was measured.
    """
    joined = of_atoms(prediction)
    for atoms in measured:
        joined |= atoms
    return joined


@dataclass(frozen=True)
class AtomSample:
    """
    Some atoms of each of n labelled frames.

    Attributes
    ----------
    uncertainty
        (a,) arrays by name.
    error
        (a,) force errors, component RMS in eV/A; NaN without a label.
    frame
        (a,) index of the frame that each atom is of.
    """

    uncertainty: Mapping[str, Array]
    error: Array
    frame: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.error)

    @classmethod
    def of(
        cls,
        prediction: CommitteePrediction,
        frames: Dataset,
        measured: Sequence[PerFrame],
    ) -> Self:
        """
        Keep at most :data:`MOST` atoms of each frame, drawn at random.

        Parameters
        ----------
        prediction, measured
            As in :func:`uncertainty_of_atoms`.
        frames
            The labelled frames.
        """
        rng = np.random.default_rng(_SEED)
        rows = np.concatenate(
            [
                start + np.sort(rng.choice(n, min(n, MOST), replace=False))
                for start, n in zip(frames.offsets, frames.n_atoms, strict=False)
            ]
        )
        uncertainty = uncertainty_of_atoms(prediction, measured)
        squared = (prediction.mean["forces"] - frames.forces) ** 2
        return cls(
            {name: values[rows] for name, values in uncertainty.items()},
            np.sqrt(squared.mean(axis=1))[rows],
            np.repeat(np.arange(len(frames)), frames.n_atoms)[rows],
        )

    @classmethod
    def joined(cls, samples: Sequence[tuple[Self | None, int]]) -> Self | None:
        """
        Join samples, each given with its number of frames; None without any.

        What one of them has not measured is NaN.
        """
        first = np.cumsum([0, *(n for _, n in samples)])
        parts = [(p, i) for (p, _), i in zip(samples, first, strict=False) if p]
        if not parts:
            return None
        names = dict.fromkeys(name for part, _ in parts for name in part.uncertainty)
        measured = {
            name: np.concatenate(
                [p.uncertainty.get(name, np.full(len(p), np.nan)) for p, _ in parts]
            )
            for name in names
        }
        return cls(
            measured,
            np.concatenate([part.error for part, _ in parts]),
            np.concatenate([part.frame + start for part, start in parts]),
        )

    def power(self, worth: Array) -> Array:
        """
        Return what each atom counts for in a fit (a,).

        The atoms of a frame are neighbours and err together: all of them count for no
        more than their frame.

        Parameters
        ----------
        worth
            (n,) what each frame counts for.
        """
        atoms = np.bincount(self.frame, minlength=len(worth))
        return np.asarray(worth[self.frame] / atoms[self.frame])
