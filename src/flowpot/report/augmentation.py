"""Figure of the frames that augmentation has made."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flowpot.augmentation import nearest_distances
from flowpot.dataset import Dataset
from flowpot.report.figures import colour_of, config_types, grid_of_axes, plain

_BINS = 40

Groups = Mapping[str, NDArray[np.float64]]


def plot_augmentation(dataset: Dataset) -> Figure:
    """
    Plot numbers, sizes, distances and densities of frames, by config_type.

    Parameters
    ----------
    dataset
        Frames with a ``config_type`` column, such as the augmentation stage's.

    Returns
    -------
    Figure
        Frames of each kind; their numbers of atoms; each atom's distance to its
        nearest neighbour (A); the volume per atom (A^3) of the frames that are
        periodic in three directions (the cells of others hold vacuum).
    """
    kinds = config_types(dataset)
    names = list(dict.fromkeys(kinds.tolist()))
    colours = {name: colour_of(place) for place, name in enumerate(names)}
    figure, axes = grid_of_axes(2, 2, 7)
    counts, sizes, distances, volumes = axes.ravel()
    numbers = [int((kinds == name).sum()) for name in names]
    shown = [plain(name) for name in names]
    bars = counts.barh(shown, numbers, color=[colours[name] for name in names])
    counts.bar_label(bars, padding=3)
    counts.invert_yaxis()
    counts.set(xlabel="frames")
    counts.margins(x=0.12)
    _draw_stack(sizes, {k: dataset.n_atoms[kinds == k] for k in names}, colours)
    sizes.set(xlabel="atoms per frame", ylabel="frames")
    nearest: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for kind, atoms in zip(kinds, dataset, strict=True):
        to_nearest = nearest_distances(atoms)  # isolated atoms have none
        nearest[kind].append(to_nearest[np.isfinite(to_nearest)])
    _draw_stack(distances, {k: np.concatenate(v) for k, v in nearest.items()}, colours)
    distances.set(xlabel="distance to nearest neighbour (\u00c5)", ylabel="atoms")
    bulk = dataset.pbc.all(axis=1)
    density = np.abs(np.linalg.det(dataset.cell)) / dataset.n_atoms
    within = {k: density[bulk & (kinds == k)] for k in names}
    _draw_stack(volumes, within, colours)
    volumes.set(xlabel="volume per atom, bulk frames (\u00c5\u00b3)", ylabel="frames")
    return figure


def _draw_stack(axis: Axes, groups: Groups, colours: Mapping[str, Any]) -> None:
    """Draw a histogram, the kinds stacked."""
    present = {name: values for name, values in groups.items() if len(values)}
    if not present:
        axis.text(0.5, 0.5, "none", ha="center", transform=axis.transAxes)
        return
    everything = np.concatenate(list(present.values()))
    low, high = everything.min(), everything.max()
    margin = max(0.02 * (high - low), 0.01 * abs(high))  # all may be one value
    axis.hist(
        list(present.values()),
        bins=_BINS,
        range=(low - margin, high + margin),
        stacked=True,
        color=[colours.get(name, "grey") for name in present],
    )
