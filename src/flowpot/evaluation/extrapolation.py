"""
How far frames are beyond those that error bars were fitted to.

Members that have never seen the like of a frame may agree on it, and be wrong
together. So what the predictions alone give, spreads and the sizes of forces, does not
count here, only what is measured beside them, as the distance to the learned frames in
feature space.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.covariates import PREDICTED

Array = NDArray[np.float64]

_SHARE = 0.95  # of the frames: the farthest may be one alone


def reach_of(covariates: Mapping[str, Array]) -> dict[str, float]:
    """
    Return what most frames of a fit stay under.

    Parameters
    ----------
    covariates
        (n,) finite uncertainties by name.

    Returns
    -------
    dict
        By name, of what is measured beside the predictions: 95 % of the frames are
        under all of these at once.

    Examples
    --------
    >>> distance = np.arange(21.0)
    >>> reach_of({"spread": np.ones(21), "feature_distance": distance})
    {'feature_distance': 19.0}
    """
    measured = {
        name: values
        for name, values in covariates.items()
        if name not in PREDICTED and (values > 0).any()
    }
    if not measured:
        return {}
    usual = {name: np.median(x[x > 0]) for name, x in measured.items()}
    farthest = np.max([measured[name] / usual[name] for name in measured], axis=0)
    factor = np.quantile(farthest, _SHARE)
    return {name: float(factor * scale) for name, scale in usual.items()}


def extrapolation(covariates: Mapping[str, Array], reach: Mapping[str, float]) -> Array:
    """
    Return how far frames are beyond those of a fit: over 1.

    Parameters
    ----------
    covariates
        (m,) uncertainties by name.
    reach
        Of the fit: see :func:`reach_of`.

    Returns
    -------
    numpy.ndarray
        (m,) the largest of the uncertainties in units of the reach; infinite where one
        is not finite. NaN where the fit, or the frames, have none.
    """
    measured = [
        np.where(np.isfinite(covariates[name]), covariates[name], np.inf) / usual
        for name, usual in reach.items()
        if name in covariates
    ]
    if not measured:
        return np.full(len(next(iter(covariates.values()))), np.nan)
    return np.asarray(np.max(measured, axis=0))
