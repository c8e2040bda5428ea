"""
Uncertainties that predictions alone give: the members' spread, and the forces' size.

They cost nothing beside the predictions: molecular dynamics has them at every frame
that it looks at. All others read features, or further outputs of a potential.
"""

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.prediction import CommitteePrediction
from flowpot.evaluation.uncertainty.base import PerFrame
from flowpot.evaluation.uncertainty.magnitude import magnitude_of_atoms
from flowpot.evaluation.uncertainty.spread import spread_of_atoms
from flowpot.potentials.features import summarised

HAS_STRESS = "has_stress"
"""Among the uncertainties of a committee of one: 1 for frames with a stress, else 0."""
MAGNITUDES = ("force_magnitude", "force_magnitude_rms")
"""Sizes of the predicted forces, which every prediction has."""


def of_frames(prediction: CommitteePrediction, frames: Dataset) -> PerFrame:
    """
    Return what predictions say of the uncertainty of n frames.

    Parameters
    ----------
    prediction
        Of all members.
    frames
        The frames.

    Returns
    -------
    dict
        (n,) arrays by name: the spread of several members in each property, of
        :func:`flowpot.evaluation.disagreement`, or :data:`HAS_STRESS` of one member,
        which cannot disagree; and :data:`MAGNITUDES`, which are NaN for frames that a
        member has no finite prediction of.
    """
    with np.errstate(invalid="ignore"):  # a member may have predicted infinities
        spread = disagreement(prediction, frames)
        size = magnitude_of_atoms(prediction.mean["forces"])
        lost = ~np.isfinite(spread["energy"] + spread["forces"])
    if len(prediction) == 1:
        spread = {HAS_STRESS: np.isfinite(spread["stress"]).astype(float)}
    magnitude = {
        k: np.where(lost, np.nan, v) for k, v in summarised(size, frames).items()
    }
    return spread | magnitude


def of_atoms(prediction: CommitteePrediction) -> PerFrame:
    """
    Return what predictions say of the uncertainty of the A atoms of some frames.

    Returns
    -------
    dict
        (A,) arrays in eV/A: ``forces``, the spread of several members, and
        ``force_magnitude``.
    """
    spread = spread_of_atoms(prediction) if len(prediction) > 1 else {}
    return spread | magnitude_of_atoms(prediction.mean["forces"])
