"""What an uncertainty is."""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials import Potential
from flowpot.potentials.features import summarised

PerFrame = dict[str, NDArray[np.float64]]
"""(n,) arrays by name."""


class Uncertainty(MSONable, ABC):
    """
    Numbers that grow with the error of a committee, and need no label.

    An uncertainty has no unit that means anything by itself: the error model
    (:class:`flowpot.evaluation.ErrorModel`) learns from labels how errors follow it,
    and takes each of its numbers as a covariate.

    A new uncertainty defines :meth:`measure_atoms`. One that has to know the training
    set defines :meth:`fit`, and :meth:`to_bytes` and :meth:`from_bytes`, by which it is
    stored with a committee. :func:`flowpot.evaluation.uncertainty.check_uncertainty`
    tests it; an entry point in the group ``flowpot.uncertainties`` lets it be chosen by
    its name.
    """

    @classmethod
    def fit(
        cls,
        potentials: Sequence[Potential],  # noqa: ARG003 - for those that need them
        training: Dataset,  # noqa: ARG003
    ) -> Self:
        """
        Make the uncertainty of a committee.

        Parameters
        ----------
        potentials
            The members of the committee.
        training
            The frames that they were trained on. Labels are not read.

        Raises
        ------
        NotImplementedError
            Where these potentials do not have what is needed. A committee of several
            members then goes without this uncertainty.
        """
        return cls()

    @abstractmethod
    def measure_atoms(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> PerFrame:
        """
        Measure the atoms of some frames.

        Parameters
        ----------
        potentials
            The members of the committee, one or several.
        dataset
            The frames, with A atoms in all. Labels are not read.

        Returns
        -------
        dict
            (A,) arrays by name, not negative.
        """

    def measure(self, potentials: Sequence[Potential], dataset: Dataset) -> PerFrame:
        """
        Measure some frames, as :meth:`summary` sums up their atoms.

        Parameters
        ----------
        potentials
            The members of the committee, one or several.
        dataset
            n frames. Labels are not read.

        Returns
        -------
        dict
            (n,) arrays by name, not negative; NaN or infinite where nothing can be
            said, which the error model takes for an error over any tolerance.
        """
        return self.summary(self.measure_atoms(potentials, dataset), dataset)

    def summary(self, atoms: PerFrame, dataset: Dataset) -> PerFrame:
        """
        Sum up the atoms of each frame: by the largest and by the RMS over them.

        Another summary may be defined, whose names are those of
        :meth:`measure_atoms`, with or without ``_rms``.

        Parameters
        ----------
        atoms
            (A,) arrays, of :meth:`measure_atoms`.
        dataset
            The n frames.

        Returns
        -------
        dict
            (n,) arrays by name.
        """
        return summarised(atoms, dataset)

    def measure_both(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> tuple[PerFrame, PerFrame]:
        """Return :meth:`measure` and :meth:`measure_atoms`, with one pass for both."""
        atoms = self.measure_atoms(potentials, dataset)
        if type(self).measure is Uncertainty.measure:
            return self.summary(atoms, dataset), atoms
        return self.measure(potentials, dataset), atoms

    def to_bytes(self) -> bytes:
        """Return what :meth:`fit` has found; nothing where nothing is fitted."""
        return b""

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:  # noqa: ARG003 - there is nothing
        """Read what :meth:`to_bytes` returned."""
        return cls()

    def as_dict(self) -> dict[str, str]:
        """Return a form that JSON can hold, so that a Maker can have it in a field."""
        kind = type(self)
        state = b64encode(self.to_bytes()).decode()
        return {
            "@module": kind.__module__,
            "@class": kind.__qualname__,
            "state": state,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` returned."""
        return cls.from_bytes(b64decode(d["state"]))
