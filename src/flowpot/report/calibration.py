"""Figures of a calibration: whether uncertainties tell the errors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binom

from flowpot.evaluation import PROPERTIES, Calibration
from flowpot.evaluation.covariates import covariates_of, uncertainties_in
from flowpot.report.figures import (
    BLUE,
    ORANGE,
    PURPLE,
    VERMILION,
    as_pixels,
    draw_limit,
    grid_of_axes,
    logarithmic,
    say_no_frames,
)
from flowpot.report.wording import UNITS

Evidence = Mapping[str, NDArray[np.float64]]
"""Uncertainties, ``error_*`` and ``weights``: an EvaluationDoc's evidence."""

_GRID = 60  # points along either axis of a map
_GOOD_RATE = 0.85


def plot_calibration(
    evidence: Evidence, calibration: Mapping[str, Calibration]
) -> Figure:
    """
    Plot disagreement against error, with the fit and both limits (paper, Fig. 5b).

    Parameters
    ----------
    evidence
        Columns of n frames, as :meth:`flowpot.Campaign.evidence` reads them.
    calibration
        Fits to these frames, by property; a property without a fit stays empty.

    Returns
    -------
    Figure
        Logarithmic axes; frames without a finite, positive uncertainty and error are
        not drawn. The band is the slope's 95 % interval. The threshold on the
        disagreement and the tolerance on the error divide the frames into those that
        are caught, missed, labelled in vain, and fine.
    """
    figure, axes = grid_of_axes(1, len(PROPERTIES), 3.8)
    for axis, name in zip(axes[0], PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        axis.set(xlabel=f"error {name} ({unit})", ylabel=f"disagreement ({unit})")
        if fit := calibration.get(name):
            axis.set_title(_summary(fit), fontsize=9)
            d, e, _ = _pairs(evidence, fit, name)
            if not len(e):
                say_no_frames(axis)
                continue
            _draw_calls(axis, factor * d, factor * e, fit, factor)
            ends = factor * np.array([e.min(), e.max()])
            axis.plot(ends, fit.slope * ends, c="k", ls="--", lw=1)
            low, high = (slope * ends for slope in fit.slope_interval)
            axis.fill_between(ends, low, high, color="0.8", zorder=0)
            logarithmic(axis)
    return figure


def plot_rates(evidence: Evidence, calibration: Mapping[str, Calibration]) -> Figure:
    """
    Plot TPR and PPV over tolerance and threshold (paper, Fig. 5b).

    Parameters
    ----------
    evidence, calibration
        As in :func:`plot_calibration`.

    Returns
    -------
    Figure
        Upper row: the share of the frames over tolerance that lie over the threshold
        (TPR); lower row: the share of the frames over the threshold that are over
        tolerance (PPV); for every tolerance and threshold, with a contour at 0.85, and
        white where there are no such frames. The dot marks the campaign's own
        tolerance and threshold, the dashed line is the fit.
    """
    figure, axes = grid_of_axes(2, len(PROPERTIES), 7.2)
    mesh = None
    for column, name in zip(axes.T, PROPERTIES, strict=True):
        unit, _ = UNITS[name]
        for axis, rate in zip(column, ("TPR", "PPV"), strict=True):
            axis.set(xlabel=f"tolerance {name} ({unit})", ylabel=f"threshold ({unit})")
            axis.set_title(rate, fontsize=9)
            if fit := calibration.get(name):
                pairs = _pairs(evidence, fit, name)
                if len(pairs[0]):
                    mesh = _draw_rate(axis, rate, pairs, fit, UNITS[name][1])
                else:
                    say_no_frames(axis)
    if mesh is not None:
        figure.colorbar(mesh, ax=axes, label="TPR, PPV", shrink=0.6)
    return figure


def plot_coverage(evidence: Evidence, calibration: Mapping[str, Calibration]) -> Figure:
    """
    Plot how often the error stays within the calibrated error.

    Parameters
    ----------
    evidence, calibration
        As in :func:`plot_calibration`.

    Returns
    -------
    Figure
        For every nominal level p, the share of the frames whose error is below the
        error model's quantile p. The band holds 95 % of the curves that a perfect
        calibration would give (binomial, effective number of frames). Where the curve
        is below the diagonal, the calibrated errors are too small.
    """
    figure, axes = grid_of_axes(1, len(PROPERTIES), 3.8)
    nominal = np.linspace(0, 1, 101)[1:-1]
    for axis, name in zip(axes[0], PROPERTIES, strict=True):
        axis.axline((0, 0), slope=1, c="k", lw=0.6)
        axis.set(xlabel=f"nominal coverage, {name}", ylabel="observed", aspect="equal")
        if fit := calibration.get(name):
            _draw_coverage(axis, nominal, evidence, fit, name)
        axis.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def leading_uncertainty(
    columns: Mapping[str, Any], fit: Calibration | None, name: str
) -> NDArray[np.float64]:
    """
    Return the uncertainty that a calibration was fitted to.

    Parameters
    ----------
    columns
        Columns of n frames, uncertainties among them.
    fit
        Calibration of the property; None: its own disagreement is returned.
    name
        Name of the property.

    Returns
    -------
    ndarray
        Shape (n,), in the property's unit.
    """
    covariates = covariates_of(uncertainties_in(columns), name)
    if fit is not None and fit.covariate in covariates:
        return covariates[fit.covariate]
    return next(iter(covariates.values()))


def _pairs(
    evidence: Evidence, fit: Calibration, name: str
) -> tuple[NDArray[np.float64], ...]:
    """Return uncertainty, error and weight of the frames where a logarithm has all."""
    d, e = leading_uncertainty(evidence, fit, name), evidence[f"error_{name}"]
    w = _weights(evidence, name)
    finite = np.isfinite(d) & np.isfinite(e) & np.isfinite(w)
    usable = finite & (d > 0) & (e > 0) & (w > 0)
    return d[usable], e[usable], w[usable]


def _weights(evidence: Evidence, name: str) -> NDArray[np.float64]:
    """Return what each frame counts for in the fit of a property (n,)."""
    ones = np.ones(len(next(iter(evidence.values()))))
    worth = evidence.get(f"worth_{name}", evidence.get("worth", ones))
    return np.asarray(evidence.get("weights", ones) * worth)


def _draw_calls(
    axis: Axes,
    d: NDArray[np.float64],
    e: NDArray[np.float64],
    fit: Calibration,
    factor: float,
) -> None:
    """Draw the frames, coloured by both limits, and the limits."""
    over, bad = d > factor * fit.threshold, e > factor * fit.tolerance
    calls = {
        "caught": (over & bad, VERMILION, "o"),
        "missed": (~over & bad, PURPLE, "^"),
        "in vain": (over & ~bad, ORANGE, "s"),
        "fine": (~over & ~bad, BLUE, "D"),
    }
    for call, (rows, colour, marker) in calls.items():
        axis.plot(
            *(e[rows], d[rows], marker),
            ms=4,
            mew=0,
            alpha=0.6,
            c=colour,
            label=f"{call}: {rows.sum()}",
            rasterized=as_pixels(len(e)),
        )
    draw_limit(axis, "x", factor * fit.tolerance, e, "tolerance")
    draw_limit(axis, "y", factor * fit.threshold, d, "threshold")
    axis.legend(fontsize=7, frameon=False)


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
        f"R\u00b2 {fit.r2:.2f}, rank {fit.rank_correlation:.2f}, {rates}"
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
    mesh = axis.pcolormesh(
        *(x, y, share),
        vmin=0,
        vmax=1,
        cmap="viridis",
        rasterized=True,  # 3600 cells: quick and small
    )
    axis.contour(x, y, np.nan_to_num(share), [_GOOD_RATE], colors="w", linewidths=1)
    axis.plot(x, fit.slope * x, c="k", ls="--", lw=1)
    axis.plot(factor * fit.tolerance, factor * fit.threshold, "o", c=VERMILION, mec="w")
    logarithmic(axis)
    axis.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return mesh


def _draw_coverage(
    axis: Axes,
    nominal: NDArray[np.float64],
    evidence: Evidence,
    fit: Calibration,
    name: str,
) -> None:
    """Draw the observed shares, and the band of the nominal ones."""
    e, seen = np.asarray(evidence[f"error_{name}"]), uncertainties_in(evidence)
    w = _weights(evidence, name)
    usable = np.isfinite(fit.error_bar(seen, name, 0.5)) & (e >= 0) & (w > 0)
    if not usable.any():
        say_no_frames(axis)
        return
    e, w = e[usable], w[usable]
    seen = {key: values[usable] for key, values in seen.items()}
    observed = [
        np.average(e <= fit.error_bar(seen, name, float(p)), weights=w) for p in nominal
    ]
    n = max(round(w.sum() ** 2 / (w**2).sum()), 1)
    low, high = (binom.ppf(q, n, nominal) / n for q in (0.025, 0.975))
    axis.fill_between(nominal, low, high, color="0.85", step="mid")
    axis.plot(nominal, observed, c=VERMILION)
    axis.set_title(f"n {len(e)}, effective {n}", fontsize=9)


def _logarithmic_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.geomspace(values.min(), values.max() * 1.01, _GRID)
