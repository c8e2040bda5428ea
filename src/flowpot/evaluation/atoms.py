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
from flowpot.evaluation.prediction import CommitteePrediction, without_collapse
from flowpot.evaluation.uncertainty import Uncertainty
from flowpot.evaluation.uncertainty.base import PerFrame
from flowpot.evaluation.uncertainty.magnitude import magnitude_of_atoms
from flowpot.evaluation.uncertainty.spread import spread_of_atoms
from flowpot.potentials import Potential

Array = NDArray[np.float64]

MOST = 32
"""Atoms of one frame that are kept: more of them say little that is new."""
_SEED = 0  # the same frames have the same atoms


def uncertainty_of_atoms(
    prediction: CommitteePrediction,
    members: Sequence[Potential],
    frames: Dataset,
    uncertainties: Sequence[Uncertainty],
) -> PerFrame:
    """
    Measure all atoms of some frames.

    Parameters
    ----------
    prediction
        Of the members, for the frames.
    members
        The members of the committee.
    frames
        The frames, with A atoms in all.
    uncertainties
        What is measured beside the spread of the members.

    Returns
    -------
    dict
        (A,) arrays by name: ``forces``, the spread of several members (eV/A), what the
        uncertainties measure, and the size of the predicted forces.
    """
    measured = spread_of_atoms(prediction) if len(members) > 1 else {}
    for uncertainty in uncertainties:
        measured |= uncertainty.measure_atoms(members, frames)
    return measured | magnitude_of_atoms(prediction.mean["forces"])


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
        members: Sequence[Potential],
        frames: Dataset,
        uncertainties: Sequence[Uncertainty],
    ) -> Self:
        """
        Measure frames, and keep at most :data:`MOST` atoms of each, drawn at random.

        The parameters are those of :func:`uncertainty_of_atoms`.
        """
        rng = np.random.default_rng(_SEED)
        rows = np.concatenate(
            [
                start + np.sort(rng.choice(n, min(n, MOST), replace=False))
                for start, n in zip(frames.offsets, frames.n_atoms, strict=False)
            ]
        )
        whole = without_collapse(frames)[0]
        measured = uncertainty_of_atoms(prediction, members, whole, uncertainties)
        squared = (prediction.mean["forces"] - frames.forces) ** 2
        return cls(
            {name: values[rows] for name, values in measured.items()},
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
