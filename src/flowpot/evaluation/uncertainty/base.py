"""What an uncertainty is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials import Potential

PerFrame = dict[str, NDArray[np.float64]]


class Uncertainty(ABC):
    """
    Numbers that grow with the error of a committee, without any label.

    An uncertainty has no unit that means anything by itself: the error model
    (:class:`flowpot.evaluation.ErrorModel`) learns from labels how errors follow it.
    Write a new one by giving the two methods; hand its numbers to the model as one
    more covariate.
    """

    @abstractmethod
    def measure(self, potentials: Sequence[Potential], dataset: Dataset) -> PerFrame:
        """
        Measure frames.

        Parameters
        ----------
        potentials
            The members of the committee; one is a committee, too.
        dataset
            n frames. Labels are not read.

        Returns
        -------
        dict
            (n,) arrays by name, not negative; NaN or infinite where nothing can be
            said, which the error model takes as certainly wrong.
        """

    @abstractmethod
    def measure_atoms(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> PerFrame:
        """Measure the A atoms of frames: (A,) arrays by name."""
