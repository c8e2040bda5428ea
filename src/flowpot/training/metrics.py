"""How far predictions are from labels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.sets import SETS
from flowpot.potentials import Prediction
from flowpot.training.document import Metrics
from flowpot.training.sets import TrainingSets


def residuals(
    prediction: Prediction, dataset: Dataset
) -> dict[str, NDArray[np.float64]]:
    """
    Return prediction minus label, where both exist.

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
    """
    Return the root mean square error of each property, over components.

    NaN for a property without labels.
    """
    differences = residuals(prediction, dataset)
    return {name: _mean(values**2) ** 0.5 for name, values in differences.items()}


def mae(prediction: Prediction, dataset: Dataset) -> dict[str, float]:
    """
    Return the mean absolute error of each property, over components.

    NaN for a property without labels.
    """
    differences = residuals(prediction, dataset)
    return {name: _mean(np.abs(values)) for name, values in differences.items()}


def errors_of_sets(
    predict: Callable[[Dataset], Prediction], sets: TrainingSets
) -> tuple[Metrics, Metrics]:
    """
    Return the RMSE and the mean absolute errors on each set.

    Parameters
    ----------
    predict
        Predicts for frames.
    sets
        The labelled frames.
    """
    errors: tuple[Metrics, Metrics] = {}, {}
    for name in SETS:
        frames = getattr(sets, name)
        prediction = predict(frames)
        errors[0][name] = rmse(prediction, frames)
        errors[1][name] = mae(prediction, frames)
    return errors


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
