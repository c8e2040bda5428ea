"""Figures of errors, dataset, trajectories and cost against the iteration."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flowpot.campaign.document import IterationDoc
from flowpot.dataset import Dataset
from flowpot.dataset.origins import explored_in
from flowpot.evaluation import PROPERTIES
from flowpot.report.figures import (
    SET_COLOURS,
    config_types,
    plain,
    row_of_axes,
)
from flowpot.report.table import UNITS
from flowpot.training.document import Metrics

_STAGE_COLOURS = {
    "labelling": "tab:purple",
    "training": "tab:blue",
    "exploration": "tab:green",
    "evaluation": "tab:orange",
    "augmentation": "tab:gray",
}


def plot_rmse(
    iterations: Sequence[IterationDoc],
    members: Mapping[int, Sequence[Metrics]] | None = None,
) -> Figure:
    """
    Plot RMSE against iteration, for the three sets (paper, Fig. 4, top).

    Parameters
    ----------
    iterations
        The campaign's iterations.
    members
        Metrics of each member, by iteration.

    Returns
    -------
    Figure
        Lines: the committee's mean prediction, which is better than its members'.
        Bands: from the best member to the worst.
    """
    figure, axes = row_of_axes(len(PROPERTIES))
    trained = [iteration for iteration in iterations if iteration.metrics]
    for axis, name in zip(axes, PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        for label, colour in SET_COLOURS.items():
            points = [
                (iteration.iteration, factor * value)
                for iteration in trained
                if (value := (iteration.metrics or {}).get(label, {}).get(name))
                is not None
            ]
            x, y = np.array(points, float).reshape(-1, 2).T
            axis.plot(x, y, "o-", c=colour, label=label)
            spread = _spread(members or {}, label, name)
            if spread.size:
                x, low, high = spread
                axis.fill_between(
                    x, factor * low, factor * high, color=colour, alpha=0.15, lw=0
                )
        axis.set(ylabel=f"RMSE {name} ({unit})")
        axis.set_ylim(bottom=0)
        _label_iterations(axis)
    axes[0].legend(frameon=False)
    return figure


def _spread(
    members: Mapping[int, Sequence[Metrics]], label: str, name: str
) -> np.ndarray:
    """Return number of the iteration, best and worst RMSE of its members, as rows."""
    rows = []
    for number, metrics in sorted(members.items()):
        values = [member.get(label, {}).get(name) for member in metrics]
        known = [value for value in values if value is not None]
        if known:
            rows.append((number, min(known), max(known)))
    return np.array(rows, float).T


def plot_growth(dataset: Dataset) -> Figure:
    """
    Plot the number of labelled frames after each iteration, by config_type.

    Parameters
    ----------
    dataset
        Labelled frames; those explored in iteration i are labelled in i + 1, all
        others in the first.
    """
    figure, (axis,) = row_of_axes(1)
    kinds = config_types(dataset).astype(str)
    added = explored_in(dataset) + 1
    x = np.arange(1, added.max(initial=1) + 1)
    names, counts = np.unique(kinds, return_counts=True)
    below = np.zeros(len(x))
    for place, name in enumerate(names[np.argsort(-counts)]):
        height = np.array([((kinds == name) & (added <= i)).sum() for i in x])
        colour = colormaps["tab20"].colors[place % 20]  # type: ignore[attr-defined]
        bars = axis.bar(
            x, height, bottom=below, color=colour, label=plain(name), width=0.7
        )
        below += height
    axis.set(ylabel="labelled frames")
    axis.bar_label(bars, labels=[f"{n:.0f}" for n in below], padding=2)
    axis.margins(y=0.1)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _label_iterations(axis)
    return figure


def plot_halts(iterations: Sequence[IterationDoc], n_runs: Mapping[int, int]) -> Figure:
    """
    Plot how many trajectories were halted, by reason, among all that were run.

    Parameters
    ----------
    iterations
        The campaign's iterations.
    n_runs
        Number of trajectories, by iteration.
    """
    figure, (axis,) = row_of_axes(1, height=3.0)
    x = sorted(n_runs)
    halted = {iteration.iteration: iteration.halted or {} for iteration in iterations}
    whole = np.array([n_runs[i] - sum(halted.get(i, {}).values()) for i in x], float)
    axis.bar(x, whole, color="0.85", width=0.7, label="ran to the end")
    below = whole
    reasons = sorted({reason for counts in halted.values() for reason in counts})
    for place, reason in enumerate(reasons):
        height = np.array([halted.get(i, {}).get(reason, 0) for i in x], float)
        axis.bar(
            x, height, bottom=below, color=f"C{place}", width=0.7, label=plain(reason)
        )
        below = below + height
    axis.set(ylabel="trajectories")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _label_iterations(axis)
    return figure


def plot_cost(iterations: Sequence[IterationDoc]) -> Figure:
    """Plot wall time (hours) by stage, of each iteration and of all together."""
    figure, (by_iteration, total) = row_of_axes(2, height=3.0)
    x = [iteration.iteration for iteration in iterations]
    below = np.zeros(len(x))
    sums = {}
    for stage, colour in _STAGE_COLOURS.items():
        hours = (
            np.array([iteration.seconds.get(stage, 0.0) for iteration in iterations])
            / 3600
        )
        if hours.sum() == 0:
            continue
        by_iteration.bar(x, hours, bottom=below, color=colour, width=0.7)
        below += hours
        sums[stage] = hours.sum()
    by_iteration.set(ylabel="hours")
    _label_iterations(by_iteration)
    whole = sum(sums.values()) or 1.0
    bars = total.barh(
        list(sums), list(sums.values()), color=[_STAGE_COLOURS[stage] for stage in sums]
    )
    shares = [f"{hours:.2g} h, {hours / whole:.0%}" for hours in sums.values()]
    total.bar_label(bars, labels=shares, padding=4)
    total.invert_yaxis()
    total.set(xlabel="hours, all iterations")
    total.margins(x=0.3)
    return figure


def _label_iterations(axis: Axes) -> None:
    """Put whole numbers on the axis of iterations."""
    axis.set(xlabel="iteration")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
