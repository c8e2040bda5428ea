"""The spread of a committee's members."""

from collections.abc import Sequence

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.prediction import CommitteePrediction, evaluate_committee
from flowpot.evaluation.uncertainty.base import PerFrame, Uncertainty
from flowpot.potentials import Potential


class CommitteeSpread(Uncertainty):
    """
    How much the members disagree: see :func:`flowpot.evaluation.disagreement`.

    It does not see errors that all members share.

    Examples
    --------
    >>> CommitteeSpread().measure(members, frames)["forces"]  # doctest: +SKIP
    """

    def measure(self, potentials: Sequence[Potential], dataset: Dataset) -> PerFrame:
        """
        Measure frames: ``energy``, ``forces``, ``stress`` and ``forces_max``.

        Returns
        -------
        dict
            (n,) arrays in eV/atom, eV/A, eV/A^3 and eV/A.

        Raises
        ------
        ValueError
            With fewer than two members.
        """
        return disagreement(_prediction(potentials, dataset), dataset)

    def measure_atoms(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> PerFrame:
        """
        Measure atoms: ``forces``, the component RMS of the members' deviations.

        Returns
        -------
        dict
            (A,) array in eV/A.

        Raises
        ------
        ValueError
            With fewer than two members.
        """
        return spread_of_atoms(_prediction(potentials, dataset))


def spread_of_atoms(prediction: CommitteePrediction) -> PerFrame:
    """Return the spread of the forces on each atom, component RMS, (A,) in eV/A."""
    return {"forces": np.sqrt(prediction.forces.var(axis=0).mean(axis=1))}


def _prediction(
    potentials: Sequence[Potential], dataset: Dataset
) -> CommitteePrediction:
    if len(potentials) < 2:  # noqa: PLR2004 - a pair
        raise ValueError(
            f"the committee has {len(potentials)} member(s): at least 2 are needed to "
            "disagree; use FeatureDistance with one"
        )
    return evaluate_committee(potentials, dataset)
