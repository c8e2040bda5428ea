"""How far predictions are from labels."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.sets import origin_name, origins_of
from flowpot.potentials import Prediction
from flowpot.training.document import Metrics


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
    predictions: Mapping[str, Prediction], sets: Mapping[str, Dataset]
) -> tuple[Metrics, Metrics]:
    """
    Return the RMSE and the mean absolute errors on each set.

    Parameters
    ----------
    predictions
        Predictions for the frames of each set, by its name.
    sets
        The labelled frames.
    """
    return (
        {name: rmse(predictions[name], frames) for name, frames in sets.items()},
        {name: mae(predictions[name], frames) for name, frames in sets.items()},
    )


def errors_by_origin(
    predictions: Mapping[str, Prediction], sets: Mapping[str, Dataset]
) -> tuple[dict[str, Metrics], dict[str, dict[str, int]]]:
    """
    Return the RMSE and the number of the frames of each origin in each set.

    Parameters
    ----------
    predictions, sets
        As in :func:`errors_of_sets`.

    Returns
    -------
    tuple
        RMSE by origin (see `flowpot.dataset.sets.origins_of`), set and
        property, and numbers of frames by origin and set. A set has an entry where it
        has frames of the origin, a property where these have labels of it.
    """
    errors: dict[str, Metrics] = {}
    numbers: dict[str, dict[str, int]] = {}
    origins = {name: origins_of(frames) for name, frames in sets.items()}
    for number in np.unique(np.concatenate(list(origins.values()))).tolist():
        origin = origin_name(number)
        errors[origin], numbers[origin] = {}, {}
        for name, frames in sets.items():
            mask = origins[name] == number
            if mask.any():
                everything, atoms = predictions[name], np.repeat(mask, frames.n_atoms)
                chosen = Prediction(
                    everything.energy[mask],
                    everything.forces[atoms],
                    everything.stress[mask],
                )
                errors[origin][name] = {
                    label: _mean(values**2) ** 0.5
                    for label, values in residuals(chosen, frames[mask]).items()
                    if len(values)
                }
                numbers[origin][name] = int(mask.sum())
    return errors, numbers


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
