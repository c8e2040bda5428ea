"""The spread of the ensemble that one model holds."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.uncertainty.base import PerFrame, Uncertainty
from flowpot.potentials import MissingOutputError, Potential


class EnsembleSpread(Uncertainty):
    """
    How much the members of a model's own ensemble disagree, such as that of llpr.

    metatrain's ``llpr`` draws last layers from the posterior of a trained model's
    (Bigi, Chong, Ceriotti and Grasselli, Mach. Learn.: Sci. Technol. 5, 045018, 2024).
    One such model is enough. Where several potentials of the committee have an
    ensemble, the mean of their spreads is taken; the others take no part. Frames have
    ``ensemble_forces`` (largest atom), ``ensemble_forces_rms`` and ``ensemble_energy``.

    The forces of each member of the ensemble are a derivative of their own: with 32 of
    them, measuring costs about 30 times as much as predicting. Train with fewer
    (``num_ensemble_members``) where that is too slow.

    Examples
    --------
    >>> EnsembleSpread().measure([potential], frames)  # doctest: +SKIP
    """

    @classmethod
    def fit(
        cls,
        potentials: Sequence[Potential],
        training: Dataset,  # noqa: ARG003 - nothing is fitted
    ) -> Self:
        """
        Check that a potential has an ensemble.

        Raises
        ------
        NotImplementedError
            Where none of them has one.
        """
        _with_ensemble(potentials)
        return cls()

    def measure_atoms(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> PerFrame:
        """
        Measure atoms, by the standard deviation over the members of the ensemble.

        Returns
        -------
        dict
            (A,) arrays. ``ensemble_forces``: root mean square over the components of
            the force on the atom (eV/A). ``ensemble_energy``: of the energy per atom
            of the atom's frame (eV/atom).

        Raises
        ------
        NotImplementedError
            Where no potential has an ensemble.
        """
        energies, forces = [], []
        for potential in _with_ensemble(potentials):
            ensemble = potential.evaluate_ensemble(dataset)
            energy = (ensemble.energy / dataset.n_atoms).std(axis=0)
            energies.append(np.repeat(energy, dataset.n_atoms))
            forces.append(np.sqrt(ensemble.forces.var(axis=0).mean(axis=1)))
        return {
            "ensemble_forces": np.mean(forces, axis=0),
            "ensemble_energy": np.mean(energies, axis=0),
        }

    def summary(self, atoms: PerFrame, dataset: Dataset) -> PerFrame:
        """
        Sum up the atoms of each frame.

        Returns
        -------
        dict
            (n,) arrays: ``ensemble_forces``, the largest of the frame's atoms (eV/A);
            ``ensemble_forces_rms``, the root mean square over its atoms (eV/A); and
            ``ensemble_energy`` (eV/atom), which is the same for all of them.
        """
        measured = super().summary(atoms, dataset)
        del measured["ensemble_energy_rms"]
        return measured


def _with_ensemble(potentials: Sequence[Potential]) -> list[Potential]:
    chosen = [potential for potential in potentials if potential.has_ensemble]
    if not chosen:
        raise MissingOutputError(
            "no member of the committee has an ensemble of its own (metatrain's "
            "'llpr', with num_ensemble_members, gives it one)"
        )
    return chosen
