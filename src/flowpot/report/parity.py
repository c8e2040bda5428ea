"""Figure of the predictions against the labels."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, CommitteePrediction
from flowpot.report.figures import SET_COLOURS
from flowpot.report.table import UNITS

_BINS = 50
_WIDEST = 99.5  # percentile of the errors that a histogram shows
_UNIT = {"energy": "eV/atom", "forces": "eV/A", "stress": "eV/A$^3$"}


def plot_parity(dataset: Dataset, prediction: CommitteePrediction) -> Figure:
    """
    Plot committee mean against label, for the three sets (paper, Fig. 4, bottom).

    Parameters
    ----------
    dataset
        Labelled frames with a ``split`` column.
    prediction
        The committee's prediction for the same frames.

    Returns
    -------
    Figure
        Upper row: predictions against labels; lower row: histograms of the errors.
        Energies are per atom, forces and stress by component.
    """
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, len(PROPERTIES), height_ratios=(1.5, 1))
    label, mean = _comparable(dataset, prediction)
    split = dataset.info["split"]
    for (above, below), name in zip(axes.T, PROPERTIES, strict=True):
        sets = np.repeat(split, dataset.n_atoms) if name == "forces" else split
        rows = {which: sets == which for which in SET_COLOURS}
        for which, colour in SET_COLOURS.items():
            x, y = label[name][rows[which]].ravel(), mean[name][rows[which]].ravel()
            above.plot(x, y, ".", ms=3, c=colour, label=which, rasterized=True)
        above.axline((_middle(label[name]),) * 2, slope=1, c="k", lw=0.6)
        above.set(xlabel=f"{name}, label ({_UNIT[name]})", ylabel="committee mean")
        unit, factor = UNITS[name]
        errors = factor * (mean[name] - label[name])
        limit = np.nanpercentile(np.abs(errors), _WIDEST) if errors.size else 1.0
        for which, colour in SET_COLOURS.items():
            of_set = errors[rows[which]].ravel()
            below.hist(
                of_set[np.isfinite(of_set)],
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
    """Return labels and committee means by property, energies per atom."""
    label = {name: getattr(dataset, name) for name in PROPERTIES}
    mean = dict(prediction.mean)
    for values in (label, mean):
        values["energy"] = values["energy"] / dataset.n_atoms
    return label, mean


def _middle(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else 0.0
