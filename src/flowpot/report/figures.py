"""Figures of a campaign: the errors and the parity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowpot.campaign.document import CampaignDoc
from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, CommitteePrediction
from flowpot.report.table import UNITS

SETS = {"train": "tab:blue", "val": "tab:orange", "test": "tab:green"}


def plot_rmse(doc: CampaignDoc) -> Figure:
    """RMSE of the committee mean against iteration, for the three sets (Fig. 4)."""
    figure, axes = _row_of_axes()
    turns = [turn for turn in doc.iterations if turn.metrics]
    for axis, name in zip(axes, PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        for label, colour in SETS.items():
            points = [
                (turn.iteration, factor * value)
                for turn in turns
                if (value := (turn.metrics or {}).get(label, {}).get(name)) is not None
            ]
            axis.plot(*np.array(points).reshape(-1, 2).T, "o-", c=colour, label=label)
        axis.set(xlabel="iteration", ylabel=f"RMSE {name} ({unit})")
        axis.set_xticks([turn.iteration for turn in turns])
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    return figure


def plot_parity(dataset: Dataset, prediction: CommitteePrediction) -> Figure:
    """
    Committee mean against label, for the three sets (Fig. 4, bottom).

    Parameters
    ----------
    dataset
        Labelled frames with a ``split`` column.
    prediction
        Of the same frames. Energies are drawn per atom, forces and stress by
        component.
    """
    figure, axes = _row_of_axes()
    split = dataset.info["split"]
    per_frame = dataset.n_atoms
    label = {
        "energy": dataset.energy / per_frame,
        "forces": dataset.forces,
        "stress": dataset.stress,
    }
    mean = prediction.mean
    mean["energy"] = mean["energy"] / per_frame
    for axis, name in zip(axes, PROPERTIES, strict=True):
        of_set = np.repeat(split, per_frame) if name == "forces" else split
        for which, colour in SETS.items():
            rows = of_set == which
            axis.plot(
                label[name][rows].ravel(),
                mean[name][rows].ravel(),
                ".",
                ms=3,
                c=colour,
                label=which,
            )
        unit = {"energy": "eV/atom", "forces": "eV/A", "stress": "eV/A^3"}[name]
        axis.axline((_middle(label[name]),) * 2, slope=1, c="k", lw=0.6)
        axis.set(xlabel=f"{name}, label ({unit})", ylabel=f"{name}, committee mean")
    axes[0].legend(frameon=False)
    return figure


def save_figures(figures: Mapping[str, Figure], folder: Path) -> Sequence[Path]:
    """Write each figure as ``<name>.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=150)
        paths.append(path)
    return paths


def _row_of_axes() -> tuple[Figure, Sequence[Axes]]:
    # Figure rather than pyplot: no window, no global state, safe in a worker.
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    return figure, figure.subplots(1, len(PROPERTIES))


def _middle(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else 0.0
