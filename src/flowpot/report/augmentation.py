"""What augmentation made, as a figure: how many, how large, how close, how dense."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flowpot.augmentation import nearest_distances
from flowpot.dataset import Dataset
from flowpot.report.figures import plain

_BINS = 40
_UNNAMED = "-"

Groups = Mapping[str, NDArray[np.float64]]


def plot_augmentation(dataset: Dataset) -> Figure:
    """
    Draw what a dataset consists of, by config_type.

    Parameters
    ----------
    dataset
        Frames with a ``config_type`` column, such as the augmentation stage's.

    Returns
    -------
    Figure
        Frames of each kind; their numbers of atoms; each atom's distance to its
        nearest neighbour (A); the volume per atom (A^3) of frames that are periodic in
        three directions, since vacuum is no volume.
    """
    kinds = _kinds(dataset)
    names = list(dict.fromkeys(kinds.tolist()))
    colours = dict(zip(names, colormaps["tab20"].colors, strict=False))  # type: ignore[attr-defined]
    figure = Figure(figsize=(11, 7), layout="constrained")
    counts, sizes, distances, volumes = figure.subplots(2, 2).ravel()
    _draw_counts(counts, kinds, names, colours)
    _draw_stack(sizes, {k: dataset.n_atoms[kinds == k] for k in names}, colours)
    sizes.set(xlabel="atoms per frame", ylabel="frames")
    _draw_stack(distances, _nearest(dataset, kinds, names), colours)
    distances.set(xlabel="distance to nearest neighbour (A)", ylabel="atoms")
    bulk = dataset.pbc.all(axis=1)
    density = np.abs(np.linalg.det(dataset.cell)) / dataset.n_atoms
    within = {k: density[bulk & (kinds == k)] for k in names}
    _draw_stack(volumes, within, colours)
    volumes.set(xlabel="volume per atom, bulk frames (A$^3$)", ylabel="frames")
    return figure


def _kinds(dataset: Dataset) -> NDArray[np.object_]:
    """Return each frame's config_type."""
    column = dataset.info.get("config_type", np.full(len(dataset), None, object))
    return np.array([kind or _UNNAMED for kind in column], dtype=object)


def _nearest(dataset: Dataset, kinds: NDArray[np.object_], names: list[str]) -> Groups:
    """Return the nearest-neighbour distances of each kind; isolated atoms have none."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for kind, atoms in zip(kinds, dataset, strict=True):
        nearest = nearest_distances(atoms)
        found[kind].append(nearest[np.isfinite(nearest)])
    return {name: np.concatenate(each) for name, each in found.items()}


def _draw_counts(
    axis: Axes,
    kinds: NDArray[np.object_],
    names: list[str],
    colours: Mapping[str, Any],
) -> None:
    """Draw one bar for each kind, with its number."""
    numbers = [int((kinds == name).sum()) for name in names]
    shown = [plain(name) for name in names]
    bars = axis.barh(shown, numbers, color=[colours.get(n, "grey") for n in names])
    axis.bar_label(bars, padding=3)
    axis.invert_yaxis()
    axis.set(xlabel="frames")
    axis.margins(x=0.12)


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
