"""A disagreement joined with that of the forces."""

from typing import Self

import numpy as np
from pydantic import BaseModel, Field
from scipy.optimize import nnls

_FEWEST = 4  # two exponents, a scale, and something to tell them by


class Mixture(BaseModel):
    """
    Weighted geometric mean of two disagreements, in the unit of the first.

    Members that agree on an energy by cancellation disagree on its gradient: for the
    error of the energy, two disagreements tell more than one.
    """

    weight: float = Field(description="of the second disagreement, from 0 to 1")
    scale: float = Field(description="of the second in units of the first")

    @classmethod
    def fit(cls, own: np.ndarray, other: np.ndarray, error: np.ndarray) -> Self | None:
        """
        Fit log error = constant + a log own + b log other, with a and b not negative.

        Parameters
        ----------
        own, other, error
            (n,) of the same frames; what is not positive is left out.

        Returns
        -------
        Mixture | None
            With weight b / (a + b); None where neither explains the error.
        """
        some = (own > 0) & (other > 0) & (error > 0)
        if some.sum() < _FEWEST:
            return None
        x = np.log(np.stack([own[some], other[some]], axis=1))
        y = np.log(error[some])
        exponents, _ = nnls(x - x.mean(axis=0), y - y.mean())
        if exponents.sum() == 0:
            return None
        ratio = np.exp((x[:, 0] - x[:, 1]).mean())
        return cls(weight=exponents[1] / exponents.sum(), scale=ratio)

    def join(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Give the mean of each frame."""
        return own ** (1 - self.weight) * (self.scale * other) ** self.weight
