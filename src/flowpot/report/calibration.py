"""Figures of a calibration: whether a committee knows how wrong it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy.stats import binom

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, Calibration
from flowpot.evaluation.covariates import covariates_of, uncertainties_in
from flowpot.report.figures import plain
from flowpot.report.table import UNITS

Arrays = Mapping[str, NDArray[np.float64]]
"""Uncertainties, ``error_*`` and ``weights``: an EvaluationDoc's evidence."""

_GRID = 60  # points along either axis of a map
_GOOD_RATE = 0.85
_UNNAMED = "-"


def plot_calibration(
    evidence: Arrays, calibration: Mapping[str, Calibration]
) -> Figure:
    """
    Disagreement against error, with the fit and both thresholds (paper, Fig. 5b).

    Parameters
    ----------
    evidence
        Of n frames, as :meth:`flowpot.Campaign.evidence` reads it.
    calibration
        What was fitted on them; a property without a fit stays empty.

    Returns
    -------
    Figure
        Logarithmic axes. The band is the slope's 95 % interval. The threshold on the
        disagreement and the tolerance on the error part the frames into those that
        are caught, missed, labelled in vain, and fine.
    """
    figure, axes = _grid_of_axes(1)
    for axis, name in zip(axes[0], PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        axis.set(xlabel=f"error {name} ({unit})", ylabel=f"disagreement ({unit})")
        if fit := calibration.get(name):
            d, e, _ = _pairs(evidence, fit, name)
            _draw_calls(axis, factor * d, factor * e, fit, factor)
            _draw_fit(axis, fit, factor * np.array([e.min(), e.max()]))
            axis.set_title(_summary(fit), fontsize=9)
            _logarithmic(axis)
    if calibration:
        next(a for a in axes[0] if a.has_data()).legend(fontsize=8, frameon=False)
    return figure


def plot_rates(evidence: Arrays, calibration: Mapping[str, Calibration]) -> Figure:
    """
    TPR and PPV over both thresholds (paper, Fig. 5b).

    Parameters
    ----------
    evidence, calibration
        As in :func:`plot_calibration`.

    Returns
    -------
    Figure
        Above the share of the frames over tolerance that lie over the threshold
        (TPR), below the share of the frames over the threshold that are over
        tolerance (PPV), for every tolerance and threshold, with a contour at 0.85;
        white where there are no such frames. The dot is what the campaign works
        with, the dashed line the fit.
    """
    figure, axes = _grid_of_axes(2)
    mesh = None
    for column, name in zip(axes.T, PROPERTIES, strict=True):
        unit, _ = UNITS[name]
        for axis, rate in zip(column, ("TPR", "PPV"), strict=True):
            axis.set(xlabel=f"tolerance {name} ({unit})", ylabel=f"threshold ({unit})")
            axis.set_title(rate, fontsize=9)
            if name in calibration:
                pairs = _pairs(evidence, calibration[name], name)
                mesh = _draw_rate(axis, rate, pairs, calibration[name], UNITS[name][1])
    if mesh is not None:
        figure.colorbar(mesh, ax=axes, label="TPR, PPV", shrink=0.6)
    return figure


def plot_coverage(evidence: Arrays, calibration: Mapping[str, Calibration]) -> Figure:
    """
    How often the error stays within what the calibrated error promises.

    Parameters
    ----------
    evidence, calibration
        As in :func:`plot_calibration`.

    Returns
    -------
    Figure
        For every nominal level p, the share of the frames of the fit whose error is
        under the error model's quantile p. The band holds 95 % of what chance makes of
        a perfect calibration (binomial, effective number of frames). A curve under the
        diagonal promises too much.
    """
    figure, axes = _grid_of_axes(1)
    nominal = np.linspace(0, 1, 101)[1:-1]
    for axis, name in zip(axes[0], PROPERTIES, strict=True):
        axis.axline((0, 0), slope=1, c="k", lw=0.6)
        axis.set(xlabel=f"nominal coverage, {name}", ylabel="observed", aspect="equal")
        if fit := calibration.get(name):
            _draw_coverage(axis, nominal, evidence, fit, name)
        axis.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def plot_disagreement(
    frames: Dataset, calibration: Mapping[str, Calibration] | None = None
) -> Figure:
    """
    Disagreement by where frames came from, and by their size.

    Parameters
    ----------
    frames
        With columns ``disagreement_energy``, ``disagreement_forces`` and
        ``disagreement_stress``, as in the ``predictions`` of an EvaluationDoc; the
        column ``config_type`` says their origin.
    calibration
        For the thresholds; None for none.

    Returns
    -------
    Figure
        Above each frame by origin, with the medians; below by number of atoms. A
        committee whose disagreement grows with size measures size, not error.
    """
    figure, axes = _grid_of_axes(2)
    unnamed = np.full(len(frames), None, dtype=object)
    kinds = frames.info.get("config_type", unnamed)
    kinds = np.array([kind or _UNNAMED for kind in kinds], dtype=object)
    groups = {kind: kinds == kind for kind in sorted(set(kinds))}
    for (above, below), name in zip(axes.T, PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        fit = (calibration or {}).get(name)
        spread = factor * _leading(frames.info, fit, name)
        _draw_origins(above, spread, groups)
        _draw_sizes(below, spread, frames.n_atoms, groups)
        for axis in (above, below):
            axis.set(ylabel=f"disagreement {name} ({unit})")
            _logarithmic(axis, "y")
            if fit:
                axis.axhline(factor * fit.threshold, c="0.3", lw=0.8, ls="--")
    return figure


def _pairs(
    evidence: Arrays, fit: Calibration, name: str
) -> tuple[NDArray[np.float64], ...]:
    """Return the leading uncertainty, error and weight of the frames that have all."""
    d, e = _leading(evidence, fit, name), evidence[f"error_{name}"]
    w = _weights(evidence)
    usable = (d > 0) & (e > 0) & (w > 0)  # a NaN is none of these
    return d[usable], e[usable], w[usable]


def _weights(evidence: Arrays) -> NDArray[np.float64]:
    ones = np.ones(len(next(iter(evidence.values()))))
    return np.asarray(evidence.get("weights", ones) * evidence.get("worth", ones))


def _leading(
    columns: Mapping[str, Any], fit: Calibration | None, name: str
) -> NDArray[np.float64]:
    """Return the uncertainty that a calibration was fitted to, or the own one."""
    covariates = covariates_of(uncertainties_in(columns), name)
    if fit is not None and fit.covariate in covariates:
        return covariates[fit.covariate]
    return next(iter(covariates.values()))


def _draw_calls(
    axis: Axes,
    d: NDArray[np.float64],
    e: NDArray[np.float64],
    fit: Calibration,
    factor: float,
) -> None:
    """Draw the frames by what the threshold makes of them, and both limits."""
    over, bad = d > factor * fit.threshold, e > factor * fit.tolerance
    calls = {
        "caught": (over & bad, "tab:red"),
        "missed": (~over & bad, "tab:purple"),
        "in vain": (over & ~bad, "tab:orange"),
        "fine": (~over & ~bad, "tab:blue"),
    }
    for call, (rows, colour) in calls.items():
        label = f"{call}: {rows.sum()}"
        axis.plot(e[rows], d[rows], "o", ms=4, alpha=0.6, c=colour, label=label)
    axis.axvline(factor * fit.tolerance, c="0.3", lw=0.8)
    axis.axhline(factor * fit.threshold, c="0.3", lw=0.8)


def _draw_fit(axis: Axes, fit: Calibration, ends: NDArray[np.float64]) -> None:
    """Draw the line of the fit, and those of its interval."""
    axis.plot(ends, fit.slope * ends, c="k", ls="--", lw=1)
    low, high = (slope * ends for slope in fit.slope_interval)
    axis.fill_between(ends, low, high, color="0.8", zorder=0)


def _summary(fit: Calibration) -> str:
    low, high = fit.slope_interval
    rates = ", ".join(
        f"{label} {value:.2f}"
        for label, value in (("TPR", fit.tpr), ("PPV", fit.ppv))
        if value is not None
    )
    trust = "" if fit.trusted else ", not trusted"
    return (
        f"slope {fit.slope:.2f} [{low:.2f}, {high:.2f}], n {fit.n}{trust}\n"
        f"R$^2$ {fit.r2:.2f}, rank {fit.rank_correlation:.2f}, {rates}"
    )


def _draw_rate(
    axis: Axes,
    rate: str,
    pairs: tuple[NDArray[np.float64], ...],
    fit: Calibration,
    factor: float,
) -> QuadMesh:
    """Draw one rate for a grid of tolerances and thresholds."""
    d, e, w = pairs
    tolerances, thresholds = _logarithmic_grid(e), _logarithmic_grid(d)
    bad = (e > tolerances[:, None]).astype(float)
    over = (d > thresholds[:, None]).astype(float)
    hits = (over * w) @ bad.T
    among = (bad * w).sum(axis=1) if rate == "TPR" else (over * w).sum(axis=1)[:, None]
    share = np.divide(hits, among, out=np.full_like(hits, np.nan), where=among > 0)
    x, y = factor * tolerances, factor * thresholds
    mesh = axis.pcolormesh(x, y, share, vmin=0, vmax=1, cmap="viridis")
    axis.contour(x, y, np.nan_to_num(share), [_GOOD_RATE], colors="w", linewidths=1)
    axis.plot(x, fit.slope * x, c="k", ls="--", lw=1)
    axis.plot(factor * fit.tolerance, factor * fit.threshold, "o", c="tab:red", mec="w")
    _logarithmic(axis)
    axis.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return mesh


def _draw_coverage(
    axis: Axes,
    nominal: NDArray[np.float64],
    evidence: Arrays,
    fit: Calibration,
    name: str,
) -> None:
    """Draw the observed shares, and the band of chance about the nominal ones."""
    e, seen = np.asarray(evidence[f"error_{name}"]), uncertainties_in(evidence)
    w = _weights(evidence)
    usable = np.isfinite(fit.error_bar(seen, name, 0.5)) & (e >= 0) & (w > 0)
    e, w = e[usable], w[usable]
    seen = {key: values[usable] for key, values in seen.items()}
    observed = [
        np.average(e <= fit.error_bar(seen, name, float(p)), weights=w) for p in nominal
    ]
    n = max(round(w.sum() ** 2 / (w**2).sum()), 1)
    low, high = (binom.ppf(q, n, nominal) / n for q in (0.025, 0.975))
    axis.fill_between(nominal, low, high, color="0.85", step="mid")
    axis.plot(nominal, observed, c="tab:red")
    axis.set_title(f"n {len(e)}, effective {n}", fontsize=9)


def _draw_origins(
    axis: Axes, spread: NDArray[np.float64], groups: Mapping[str, NDArray[np.bool_]]
) -> None:
    """Draw the frames of each origin side by side, and their median."""
    for place, rows in enumerate(groups.values()):
        values = spread[rows & (spread > 0)]
        across = place + np.linspace(-0.3, 0.3, len(values))
        axis.plot(across, values, ".", c=_colour(place), alpha=0.6)
        if len(values):
            axis.hlines(np.median(values), place - 0.4, place + 0.4, color="k")
    names = [plain(name) for name in groups]
    axis.set_xticks(range(len(groups)), names, rotation=30, ha="right")


def _draw_sizes(
    axis: Axes,
    spread: NDArray[np.float64],
    n_atoms: NDArray[np.int64],
    groups: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Draw each frame's disagreement against its number of atoms."""
    for place, rows in enumerate(groups.values()):
        shown = rows & (spread > 0)
        axis.plot(n_atoms[shown], spread[shown], ".", c=_colour(place), alpha=0.6)
    axis.set(xlabel="atoms")
    _logarithmic(axis, "x")


def _colour(place: int) -> str:
    names = list(TABLEAU_COLORS)
    return names[place % len(names)]


def _logarithmic(axis: Axes, which: str = "xy") -> None:
    """Make axes logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    for letter in which:
        axis.set(**{f"{letter}scale": "log"})
        ticks = getattr(axis, f"{letter}axis")
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ticks.set_minor_formatter(NullFormatter())


def _logarithmic_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = values[values > 0]
    if not len(positive):
        return np.geomspace(1e-6, 1, _GRID)
    return np.geomspace(positive.min(), positive.max() * 1.01, _GRID)


def _grid_of_axes(rows: int) -> tuple[Figure, NDArray[np.object_]]:
    # Figure rather than pyplot: no window, no global state, safe in a worker.
    figure = Figure(figsize=(11, 0.4 + 3.4 * rows), layout="constrained")
    return figure, figure.subplots(rows, len(PROPERTIES), squeeze=False)
