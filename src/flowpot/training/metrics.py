"""How far predictions are from labels."""

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import PROPERTIES
from flowpot.potentials import Prediction


def residuals(
    prediction: Prediction, dataset: Dataset
) -> dict[str, NDArray[np.float64]]:
    """
    Return prediction minus label, for what both have.

    Returns
    -------
    dict
        ``energy`` per atom (eV/atom), one per frame; ``forces`` (eV/A) and ``stress``
        (eV/A^3), one per component.
    """
    differences = {
        "energy": (prediction.energy - dataset.energy) / dataset.n_atoms,
        "forces": (prediction.forces - dataset.forces).ravel(),
        "stress": (prediction.stress - dataset.stress).ravel(),
    }
    # A frame without periodic axes has no stress, whatever its label says.
    periodic = np.any(dataset.pbc, axis=1, keepdims=True)[:, :, None]
    has_label = {
        "energy": np.isfinite(dataset.energy),
        "forces": np.isfinite(dataset.forces).ravel(),
        "stress": (np.isfinite(dataset.stress) & periodic).ravel(),
    }
    return {name: differences[name][has_label[name]] for name in PROPERTIES}


def rmse(prediction: Prediction, dataset: Dataset) -> dict[str, float]:
    """Root mean square error of each property, over components; NaN without labels."""
    found = residuals(prediction, dataset)
    return {name: _mean(each**2) ** 0.5 for name, each in found.items()}


def mae(prediction: Prediction, dataset: Dataset) -> dict[str, float]:
    """Mean absolute error of each property, over components; NaN without labels."""
    found = residuals(prediction, dataset)
    return {name: _mean(np.abs(each)) for name, each in found.items()}


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
