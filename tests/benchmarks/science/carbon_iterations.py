"""Errors by set against iterations, and the calibration of a campaign on carbon."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from md_campaign import Generation

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    calibrate,
    disagreement,
    error,
    evaluate_committee,
)
from flowpot.evaluation.covariates import OWN
from flowpot.evaluation.decision import LEAST_SQUARES
from flowpot.evaluation.evidence import all_labelled
from flowpot.evaluation.streaming import spread_over

UNITS = {
    "energy": ("meV/atom", 1e3),
    "forces": ("eV/\u00c5", 1.0),
    "stress": ("meV/\u00c5\u00b3", 1e3),
}
SETS = ("train", "val", "test")
_GRID = 40  # thresholds along each axis of a map


def rms(values: np.ndarray) -> float:
    """Return the root mean square of those that are numbers."""
    return float(np.sqrt(np.nanmean(np.square(values))))


def errors_by_iteration(
    generations: Sequence[Generation], external: Dataset
) -> list[dict[str, Any]]:
    """
    Return RMSE by set of each iteration, mean and standard deviation over members.

    ``external`` is of the committee's mean over frames of the teacher's own dynamics,
    and ``explored`` over the frames that the committee has explored itself, before any
    of them is learned: root mean squares over frames, in eV/atom, eV/A, eV/A^3.
    """
    rows = []
    for each in generations:
        row: dict[str, Any] = {"labels": len(each.dataset)}
        for name in SETS:
            found = [document.metrics[name] for document in each.documents]
            row[name] = {
                of: [float(np.mean(v)), float(np.std(v))]
                for of in UNITS
                for v in [[metrics[of] for metrics in found]]
            }
        outside = error(evaluate_committee(each.members, external), external)
        explored = error(each.seen, each.pool)
        row["external"] = {of: rms(outside[of]) for of in UNITS}
        row["explored"] = {of: rms(explored[of]) for of in UNITS}
        row["sets"] = dict(each.documents[0].n_frames)
        rows.append(row)
    return rows


def errors_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot RMSE against iterations, as in Fig. 4 of the AiiDA-TrainsPot paper."""
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    numbers = np.arange(1, len(rows) + 1)
    for axis, (of, (unit, factor)) in zip(
        figure.subplots(1, 3), UNITS.items(), strict=True
    ):
        for name in SETS:
            mean, width = factor * np.array([row[name][of] for row in rows]).T
            axis.errorbar(numbers, mean, width, fmt="o-", capsize=3, label=name)
        for name, style in (("external", "s--"), ("explored", "^:")):
            axis.plot(numbers, [factor * r[name][of] for r in rows], style, label=name)
        axis.set(xlabel="iteration", ylabel=f"RMSE {of} ({unit})", xticks=numbers)
        axis.set_yscale("log")
        labels = axis.secondary_xaxis("top")
        labels.set_xticks(numbers, [str(row["labels"]) for row in rows])
        labels.set_xlabel("labels")
    figure.axes[0].legend(frameon=False)
    return figure


def rates(flagged: np.ndarray, bad: np.ndarray) -> tuple[float | None, float | None]:
    """
    Return true positive rate and positive predictive value of (n,) masks.

    Examples
    --------
    >>> rates(np.array([True, True, False]), np.array([True, False, False]))
    (1.0, 0.5)
    >>> rates(np.array([False]), np.array([False]))
    (None, None)
    """
    hits = int((flagged & bad).sum())
    return (
        hits / int(bad.sum()) if bad.any() else None,
        hits / int(flagged.sum()) if flagged.any() else None,
    )


def calibrations(generations: Sequence[Generation]) -> list[dict[str, Any]]:
    """
    Compare two rules on fresh explored frames, all of which the teacher has labelled.

    For each iteration and property: how many frames are bad, and TPR and PPV of the
    error model's flags and of the paper's rule, which is a line through the origin
    fitted by least squares to all labelled frames.
    """
    rows = []
    for each in generations:
        fits = each.judgement.calibration
        tolerance = {name: fits[name].tolerance for name in UNITS}
        known = all_labelled(each.members, each.dataset)
        lines = calibrate(
            known.disagreement, known.error, tolerance, rule=LEAST_SQUARES
        )
        frames = each.pool[each.fresh]
        seen = measured(each)
        true = {name: e[each.fresh] for name, e in error(each.seen, each.pool).items()}
        row: dict[str, Any] = {"frames": len(frames)}
        for name in UNITS:
            has = np.isfinite(true[name])
            bad = true[name][has] > tolerance[name]
            row[name] = {"tolerance": tolerance[name], "bad": float(bad.mean())}
            for rule, fit in (("ours", fits[name]), ("paper", lines[name])):
                flagged = fit.excess(seen, name)[has] > 1
                tpr, ppv = rates(flagged, bad)
                row[name][rule] = {
                    "TPR": tpr,
                    "PPV": ppv,
                    "flagged": float(flagged.mean()),
                    "slope": fit.slope,
                    "threshold": fit.threshold,
                    "of": fit.covariate,
                }
            bars = fits[name].error_bar(seen, name, 0.95)[has]
            row[name]["95 % bars hold"] = float((true[name][has] <= bars).mean())
        rows.append(row)
    return rows


def measured(generation: Generation) -> dict[str, np.ndarray]:
    """Return all uncertainties of the fresh frames that a generation has explored."""
    frames = generation.pool[generation.fresh]
    calculator = generation.calculator()
    return spread_over(
        calculator.members, frames, uncertainties=calculator.uncertainties
    ).disagreement


def maps(
    spread: np.ndarray, true: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """
    Return TPR and PPV over both thresholds.

    Returns
    -------
    tuple
        Thresholds of the error and of the spread, (g,) each, and TPR and PPV, (g, g)
        with the spread along the first axis; NaN where there is nothing to count.
    """
    limits = [
        np.geomspace(*np.quantile(values, (0.005, 0.995)), _GRID)
        for values in (true, spread)
    ]
    tpr, ppv = np.full((2, _GRID, _GRID), np.nan)
    for j, error_limit in enumerate(limits[0]):
        for i, spread_limit in enumerate(limits[1]):
            found = rates(spread > spread_limit, true > error_limit)
            tpr[i, j], ppv[i, j] = (np.nan if x is None else x for x in found)
    return limits[0], limits[1], tpr, ppv


def calibration_figure(generation: Generation, row: Mapping[str, Any]) -> Figure:
    """Plot errors and spreads, and TPR and PPV, as in Fig. 5b of the paper."""
    figure = Figure(figsize=(10.5, 9), layout="constrained")
    axes = figure.subplots(3, 3)
    fresh = generation.fresh
    spread = disagreement(generation.seen, generation.pool)
    true = error(generation.seen, generation.pool)
    for place, (name, (unit, factor)) in zip(axes, UNITS.items(), strict=True):
        d, e = factor * spread[name][fresh], factor * true[name][fresh]
        has = np.isfinite(e) & (e > 0) & (d > 0)
        d, e = d[has], e[has]
        place[0].plot(e, d, ".", ms=3, color="0.5")
        x, y, tpr, ppv = maps(d, e)
        for axis, values, title in zip(
            place[1:], (tpr, ppv), ("TPR", "PPV"), strict=True
        ):
            mesh = axis.pcolormesh(x, y, values, vmin=0, vmax=1, cmap="viridis")
            figure.colorbar(mesh, ax=axis, label=title)
        for axis in place:
            of = row[name]
            axis.plot(x, of["paper"]["slope"] * x, "r--", label="paper's line")
            lowest = y[0]
            if of["ours"]["of"] == OWN:  # else it is a threshold on something else
                star = factor * of["tolerance"], factor * of["ours"]["threshold"]
                axis.plot(*star, "w*", ms=11, mec="k", label="error model")
                lowest = min(lowest, 0.7 * star[1])
            axis.set(xscale="log", yscale="log", xlim=x[[0, -1]], ylim=(lowest, y[-1]))
            for side in (axis.xaxis, axis.yaxis):
                side.set_minor_formatter(NullFormatter())
            axis.set(xlabel=f"error {name} ({unit})", ylabel=f"spread ({unit})")
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure
