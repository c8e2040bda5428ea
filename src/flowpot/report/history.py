"""Figures of errors, dataset, trajectories and cost against the iteration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from flowpot.campaign.document import IterationDoc
from flowpot.dataset import Dataset
from flowpot.dataset.sets import SETS, explored_in
from flowpot.evaluation import PROPERTIES, FreshError
from flowpot.evaluation.choice import CLOSING, PILOT
from flowpot.report.cost import core_hours
from flowpot.report.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SET_COLOURS,
    SET_MARKERS,
    colour_of,
    config_types,
    grid_of_axes,
    hatch_of,
    plain,
    row_of_axes,
    stand_on_zero,
)
from flowpot.report.wording import UNITS
from flowpot.training.document import Metrics

_LABELS = "labels, those of pilots and audits included"
_MOST_NUMBERS = 15  # points or bars with a number beside each
_MOST_MARKERS = 40  # points of a line

_STAGE_COLOURS = {
    "labelling": PURPLE,
    "training": BLUE,
    "exploration": GREEN,
    "evaluation": ORANGE,
    "augmentation": "#555555",
}


def plot_rmse(
    iterations: Sequence[IterationDoc],
    members: Mapping[int, Sequence[Metrics]] | None = None,
    n_frames: Mapping[str, int] | None = None,
) -> Figure:
    """
    Plot RMSE against iteration, for the three sets (paper, Fig. 4, top).

    The legend has the number of frames of each set in the last iteration.

    Parameters
    ----------
    iterations
        The campaign's iterations.
    members
        Metrics of each member, by iteration.
    n_frames
        Number of frames in each set, of the last iteration; None: it is not known.

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
        for label in SETS:
            colour = SET_COLOURS[label]
            points = [
                (iteration.iteration, factor * value)
                for iteration in trained
                if (value := (iteration.metrics or {}).get(label, {}).get(name))
                is not None
            ]
            x, y = np.array(points, float).reshape(-1, 2).T
            axis.plot(x, y, _line(len(x), SET_MARKERS[label]), c=colour, label=label)
            spread = _spread(members or {}, label, name)
            if spread.size:
                x, low, high = spread
                axis.fill_between(
                    x, factor * low, factor * high, color=colour, alpha=0.15, lw=0
                )
        axis.set(ylabel=f"RMSE {name} ({unit})")
        axis.set_ylim(bottom=0)
        _label_iterations(axis)
    lines = axes[0].lines
    numbers = n_frames or {}
    names = [str(line.get_label()) for line in lines]
    texts = [f"{n} (n = {numbers[n]})" if n in numbers else n for n in names]
    axes[0].legend(lines, texts, frameon=False)
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


def plot_growth(
    dataset: Dataset, iterations: Sequence[IterationDoc] | None = None
) -> Figure:
    """
    Plot the number of labelled frames after each iteration, by config_type.

    Parameters
    ----------
    dataset
        Labelled frames, in the order in which they were labelled if `iterations` are
        given.
    iterations
        The campaign's iterations, which state how many frames there were after each.
        None: frames explored in iteration i count as labelled in i + 1, those of a
        pilot or a closing audit in i, and all others in the first.
    """
    figure, (axis,) = row_of_axes(1)
    kinds = config_types(dataset).astype(str)
    if iterations:
        x, added = _as_stated(len(dataset), iterations)
    else:
        added = _as_explored(dataset)
        x = np.arange(1, added.max(initial=1) + 1)
    names, counts = np.unique(kinds, return_counts=True)
    below = np.zeros(len(x))
    for place, name in enumerate(names[np.argsort(-counts)]):
        height = np.array([((kinds == name) & (added <= i)).sum() for i in x])
        bars = axis.bar(
            *(x, height),
            bottom=below,
            color=colour_of(place),
            hatch=hatch_of(place),
            label=plain(name),
            width=0.7,
        )
        below += height
    axis.set(ylabel="labelled frames")
    if len(x) <= _MOST_NUMBERS:
        axis.bar_label(bars, labels=[f"{n:.0f}" for n in below], padding=2)
    stand_on_zero(axis, room=0.1)
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _label_iterations(axis)
    return figure


def _as_stated(
    n_frames: int, iterations: Sequence[IterationDoc]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """
    Return the iterations, and in which of them each frame was labelled.

    Frames beyond those that the last iteration counts are those of the next one.
    """
    x = np.array([each.iteration for each in iterations])
    after = np.maximum.accumulate([each.n_dataset for each in iterations])
    if n_frames > after[-1]:
        x, after = np.append(x, x[-1] + 1), np.append(after, n_frames)
    return x, x[np.searchsorted(after, np.arange(n_frames), side="right")]


def _as_explored(dataset: Dataset) -> NDArray[np.int_]:
    """Return the iteration in which each frame was labelled, as far as columns tell."""
    explored = explored_in(dataset)
    at_once = np.isin(dataset.column("selection").astype(str), (PILOT, CLOSING))
    return np.where(at_once, np.maximum(explored, 1), explored + 1)


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
            *(x, height),
            bottom=below,
            color=colour_of(place),
            hatch=hatch_of(place),
            width=0.7,
            label=plain(reason),
        )
        below = below + height
    axis.set(ylabel="trajectories")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    stand_on_zero(axis)
    _label_iterations(axis)
    return figure


def plot_cost(
    iterations: Sequence[IterationDoc], labels: Mapping[int, float] | None = None
) -> Figure:
    """
    Plot core-hours by stage, of each iteration and of all together.

    Parameters
    ----------
    iterations
        The campaign's iterations.
    labels
        Core-seconds of the labels of each iteration. None: not known. A process of
        which the cores are not known counts as one core.
    """
    figure, (by_iteration, total) = row_of_axes(2, height=3.0)
    x = [iteration.iteration for iteration in iterations]
    below = np.zeros(len(x))
    sums = {}
    for stage, hours in core_hours(iterations, labels).items():
        colour = _STAGE_COLOURS.get(stage, "#999999")
        by_iteration.bar(x, hours, bottom=below, color=colour, width=0.7)
        below += hours
        sums[stage] = hours.sum()
    by_iteration.set(ylabel="core-hours")
    stand_on_zero(by_iteration)
    _label_iterations(by_iteration)
    whole = sum(sums.values()) or 1.0
    colours = [_STAGE_COLOURS.get(stage, "#999999") for stage in sums]
    bars = total.barh(list(sums), list(sums.values()), color=colours)
    shares = [f"{hours:.2g}, {hours / whole:.0%}" for hours in sums.values()]
    total.bar_label(bars, labels=shares, padding=4)
    total.invert_yaxis()
    total.set(xlabel="core-hours, all iterations")
    total.margins(x=0.3)
    return figure


def plot_learning(
    iterations: Sequence[IterationDoc], labels: Mapping[int, float] | None = None
) -> Figure:
    """
    Plot the error on fresh frames against the number of labels and the core-hours.

    Parameters
    ----------
    iterations, labels
        As :func:`plot_cost` takes them.

    Returns
    -------
    Figure
        Medians of the frames' errors as predicted before they were learned, with 95 %
        intervals, and the tolerances. Upper row: against the frames sent for labels up
        to then; lower row: against the core-hours spent up to then.
    """
    figure, axes = grid_of_axes(2, len(PROPERTIES), 6.0)
    spent = sum(core_hours(iterations, labels).values()) + np.zeros(len(iterations))
    costs: tuple[tuple[str, Any], ...] = (
        (
            "labels, those of pilots and audits included",
            [i.n_sent_total for i in iterations],
        ),
        ("core-hours", spent.cumsum()),
    )
    for column, name in zip(axes.T, PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        fresh = [(each.fresh_error or {}).get(name) for each in iterations]
        fits = [(each.calibration or {}).get(name) for each in iterations]
        tolerance = next((fit.tolerance for fit in fits[::-1] if fit), None)
        for axis, (label, x) in zip(column, costs, strict=True):
            _draw_fresh(axis, x, fresh, factor)
            if tolerance is not None:
                line = factor * tolerance
                axis.axhline(
                    line, c="k", ls="--", lw=0.8, label=f"tolerance {line:.3g}"
                )
                axis.legend(frameon=False, fontsize=8)
            axis.set(xlabel=label, ylabel=f"error, {name} ({unit})")
            axis.set_ylim(bottom=0)
    return figure


def _draw_fresh(
    axis: Axes,
    x: Sequence[float] | NDArray[np.float64],
    fresh: Sequence[FreshError | None],
    factor: float,
) -> None:
    """Draw medians with their intervals, and the number of frames beside each."""
    known = [
        (place, error.value, error.interval, error.n)
        for place, error in zip(x, fresh, strict=True)
        if error is not None and error.value is not None
    ]
    if not known:
        axis.text(0.5, 0.5, "not known", ha="center", transform=axis.transAxes)
        return
    places, values, low, high = np.array(
        [
            [x, y, *(np.nan if end is None else end for end in ends)]
            for x, y, ends, _ in known
        ]
    ).T
    top = np.where(np.isnan(high), values, high)
    axis.vlines(places, factor * low, factor * top, color=BLUE, lw=1.2)
    axis.plot(places, factor * values, _line(len(known), "o"), c=BLUE)
    endless = np.isnan(high)  # the interval has no upper end
    axis.plot(places[endless], factor * top[endless], "^", c=BLUE, ms=9, mfc="none")
    if len(known) <= _MOST_NUMBERS:
        for place, end, (*_, n) in zip(places, factor * top, known, strict=True):
            axis.annotate(
                *(f"n = {n}", (place, end), (0, 4)),
                textcoords="offset points",
                ha="center",
                size=7,
            )
    axis.margins(x=0.08, y=0.15)


def _line(n_points: int, marker: str) -> str:
    """Return the style of a line, with markers unless there are many points."""
    return f"{marker}-" if n_points <= _MOST_MARKERS else "-"


def _label_iterations(axis: Axes) -> None:
    """Put whole numbers on the axis of iterations."""
    axis.set(xlabel="iteration")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
