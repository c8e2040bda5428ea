"""Frames that are so wrong that they come from a broken MD run."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.known import is_known

Array = NDArray[np.float64]


def beyond_bound(
    disagreement: Mapping[str, Array],
    calibration: Mapping[str, Calibration],
    factor: float,
) -> NDArray[np.bool_]:
    """
    Return the mask (n,) of frames beyond the upper bound in any property.

    Parameters
    ----------
    disagreement
        (n,) uncertainties by name.
    calibration
        Of the properties that decide.
    factor
        See :attr:`flowpot.evaluation.SelectionRules.upper_factor`.

    Returns
    -------
    numpy.ndarray
        False for a frame without a finite prediction: it is counted as unphysical.
    """
    finite = is_known(disagreement)
    beyond = np.zeros_like(finite)
    for name, fit in calibration.items():
        beyond |= finite & fit.surely_over(disagreement, name, factor)
    return beyond
