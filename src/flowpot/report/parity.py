"""Predictions against labels."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, CommitteePrediction
from flowpot.report.figures import COLOURS
from flowpot.report.table import UNITS

_BINS = 50
_WIDEST = 99.5  # percentile of the errors that a histogram shows
_UNIT = {"energy": "eV/atom", "forces": "eV/A", "stress": "eV/A$^3$"}


def plot_parity(dataset: Dataset, prediction: CommitteePrediction) -> Figure:
    """
    Committee mean against label, for the three sets (paper, Fig. 4, bottom).

    Parameters
    ----------
    dataset
        Labelled frames with a ``split`` column.
    prediction
        Of the same frames.

    Returns
    -------
    Figure
        Above the predictions, below how the errors are spread. Energies per atom,
        forces and stress by component.
    """
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, len(PROPERTIES), height_ratios=(1.5, 1))
    label, mean = _comparable(dataset, prediction)
    split = dataset.info["split"]
    for (above, below), name in zip(axes.T, PROPERTIES, strict=True):
        of_set = np.repeat(split, dataset.n_atoms) if name == "forces" else split
        rows = {which: of_set == which for which in COLOURS}
        for which, colour in COLOURS.items():
            x, y = label[name][rows[which]].ravel(), mean[name][rows[which]].ravel()
            above.plot(x, y, ".", ms=3, c=colour, label=which, rasterized=True)
        above.axline((_middle(label[name]),) * 2, slope=1, c="k", lw=0.6)
        above.set(xlabel=f"{name}, label ({_UNIT[name]})", ylabel="committee mean")
        unit, factor = UNITS[name]
        errors = factor * (mean[name] - label[name])
        limit = np.nanpercentile(np.abs(errors), _WIDEST) if errors.size else 1.0
        for which, colour in COLOURS.items():
            found = errors[rows[which]].ravel()
            below.hist(
                found[np.isfinite(found)],
                bins=_BINS,
                range=(-limit, limit) if limit > 0 else (-1, 1),
                density=True,
                histtype="step",
                color=colour,
            )
        below.set(xlabel=f"error of {name} ({unit})", ylabel="density", yticks=[])
    axes[0, 0].legend(frameon=False, markerscale=3)
    return figure


def _comparable(
    dataset: Dataset, prediction: CommitteePrediction
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Return labels and means, energies by atom."""
    label = {name: getattr(dataset, name) for name in PROPERTIES}
    mean = dict(prediction.mean)
    for each in (label, mean):
        each["energy"] = each["energy"] / dataset.n_atoms
    return label, mean


def _middle(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else 0.0
