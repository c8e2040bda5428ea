"""
Of which frames a prediction is known, and which have a property at all.

Molecules have no stress, and broken MD runs no finite prediction. What is flagged, what
is expected and what is printed of frames asks here which ones these are.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.predicted import HAS_STRESS

Mask = NDArray[np.bool_]
Uncertainties = Mapping[str, Any]
"""Numbers or (n,) arrays by name."""


def is_known(uncertainty: Uncertainties) -> Mask:
    """
    Return the mask (n,) of frames whose uncertainties are finite.

    That of the stress need not be: frames without a volume have none.
    """
    columns = [np.atleast_1d(v) for k, v in uncertainty.items() if k != "stress"]
    if not columns:  # nothing but the stress
        return np.ones(len(np.atleast_1d(uncertainty.get("stress", []))), dtype=bool)
    return np.asarray(np.isfinite(columns).all(axis=0))


def lacks(uncertainty: Uncertainties, name: str) -> Mask:
    """
    Return the mask (n,) of frames without a property: stress without a volume.

    A frame without a finite prediction is none of them: nothing is known of it.
    """
    known = is_known(uncertainty)
    if name != "stress":
        return np.zeros_like(known)
    if HAS_STRESS in uncertainty:
        return known & (np.atleast_1d(uncertainty[HAS_STRESS]) == 0)
    if "stress" in uncertainty:
        return known & np.isnan(np.atleast_1d(uncertainty["stress"]))
    return np.zeros_like(known)


def has(uncertainty: Uncertainties, name: str) -> Mask:
    """
    Return the mask (n,) of frames with a property and a finite prediction of it.

    Of these frames rates are expected: no label can say whether others are bad.
    """
    known = is_known(uncertainty) & ~lacks(uncertainty, name)
    if name in uncertainty:
        known &= np.isfinite(np.atleast_1d(uncertainty[name]))
    return np.asarray(known)
