"""A campaign in tables: a column an iteration."""

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowpot.campaign.document import IterationDoc
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.sets import AUDIT, SETS
from flowpot.evaluation import Calibration
from flowpot.report.wording import UNITS, error_with_interval, number

if TYPE_CHECKING:
    import pandas as pd

_STAGES = {
    "labelling": "DFT",
    "training": "training",
    "exploration": "MD",
    "evaluation": "evaluation",
}
_WIDEST = 20  # characters of an iteration's column; longer cells are wrapped
_UNLIMITED = 10_000  # characters


def campaign_table(name: str, iterations: Sequence[IterationDoc]) -> Table:
    """
    Tabulate labels, errors, calibration, selection and seconds of every iteration.

    Parameters
    ----------
    name
        Name of the campaign.
    iterations
        Its iterations, a column each.
    """
    table = Table(
        title=Text(f"Campaign {name!r}"),
        title_justify="left",
        caption="Fresh error: median of explored frames, as predicted before they were "
        "learned. RMSE of the committee mean, on train / val / test. "
        "Seconds are summed over runs that went side by side.",
        caption_justify="left",
    )
    table.add_column("iteration", no_wrap=True)
    for iteration in iterations:
        table.add_column(str(iteration.iteration), justify="right", max_width=_WIDEST)
    known = {name for each in iterations for name in each.calibration or {}}
    names = [name for name in UNITS if name in {*PROPERTIES, *known}]
    columns = [_cells(iteration, names) for iteration in iterations]
    for part, labels in enumerate(_cells(IterationDoc(iteration=0), names)):
        table.add_section()
        for label in labels:
            table.add_row(label, *(column[part][label] for column in columns))
    return table


def print_campaign(
    console: Console, name: str, iterations: Sequence[IterationDoc]
) -> None:
    """
    Print a campaign's table, in several parts where the terminal is too narrow.

    Parameters
    ----------
    console
        Console to print on.
    name, iterations
        As in :func:`campaign_table`.
    """
    without_limit = console.options.update(max_width=_UNLIMITED)
    remaining = list(iterations)
    while remaining:
        for n_columns in range(len(remaining), 0, -1):
            table = campaign_table(name, remaining[:n_columns])
            width = console.measure(table, options=without_limit).maximum
            if width <= console.width:
                break
        del remaining[:n_columns]
        if remaining:
            table.caption = None
        console.print(table)


def origin_table(errors: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    """
    Tabulate the last committee's errors by where frames come from, a row an origin.

    Parameters
    ----------
    errors
        As :attr:`flowpot.campaign.Campaign.errors_by_origin` has them.

    Returns
    -------
    tuple
        The header and the rows. A cell has the values of the sets train, val, test and
        audit, separated by slashes.
    """
    units = {name: f"{name} ({UNITS[name][0]})" for name in PROPERTIES}
    factors = {"n_frames": 1.0} | {name: UNITS[name][1] for name in PROPERTIES}
    rows = []
    last = errors[errors["iteration"] == errors["iteration"].max()]
    for origin, sets in last.groupby("origin", sort=False):
        values = sets.set_index("set").reindex([*SETS, AUDIT])
        cells = [
            " / ".join(
                number(None if isnan(value) else value, factor)
                for value in values[column].astype(float)
            )
            for column, factor in factors.items()
        ]
        rows.append([str(origin), *cells])
    return ["origin", "frames", *units.values()], rows


def _cells(iteration: IterationDoc, names: Sequence[str]) -> list[dict[str, str]]:
    """Return an iteration's cells by the labels of their rows, part by part."""
    fresh, rmse, calibration, seconds = {}, {}, {}, {}
    errors, fits = iteration.fresh_error or {}, iteration.calibration or {}
    for name in names:
        unit, factor = UNITS[name]
        error = error_with_interval(errors.get(name), factor)
        fresh[f"fresh error {name} ({unit})"] = error
        slope, threshold, trust = _fit_in_words(fits.get(name), factor)
        calibration[f"slope {name} [95 %]"] = slope
        calibration[f"threshold {name} ({unit})"] = threshold
        calibration[f"trusted {name}"] = trust
    shares = [f"{k} {v.over:.0%}" for k, v in errors.items() if v.over is not None]
    fresh["fresh frames over tolerance"] = ", ".join(shares) or "-"
    calibration["calibrated on"] = next((fit.origin for fit in fits.values()), "-")
    for name in PROPERTIES:
        unit, factor = UNITS[name]
        sets = [(iteration.metrics or {}).get(label, {}).get(name) for label in SETS]
        values = " / ".join(number(value, factor) for value in sets)
        rmse[f"RMSE {name} ({unit})"] = "-" if iteration.metrics is None else values
    for stage, label in _STAGES.items():
        taken = iteration.seconds.get(stage)
        seconds[f"seconds in {label}"] = "-" if taken is None else f"{taken:.0f}"
    audit, audited = iteration.audit, "-"
    if audit is not None and audit.n > 0:
        audited = f"{audit.n_bad} of {audit.n} (<= {audit.upper_limit:.0%})"
    failed, checks = _count(iteration.n_failed), _count(iteration.n_audit)
    labels = {
        "frames labelled (failed)": f"{_count(iteration.n_labelled)} ({failed})",
        "frames in the dataset": _count(iteration.n_dataset),
    }
    frames = {
        "frames explored": _count(iteration.n_explored),
        "  unphysical": _count(iteration.n_insane),
        "  labelled already": _count(iteration.n_known),
        "  copies of another": _count(iteration.n_copies),
        "MD runs halted": _count(sum((iteration.halted or {}).values())),
        "frames flagged": _count(iteration.n_over),
        "  beyond the upper bound": _count(iteration.n_wrecked),
        "frames selected + audit": f"{_count(iteration.n_selected)} + {checks}",
        "audit: bad of labelled": audited,
    }
    return [fresh, labels, rmse, calibration, frames, seconds]


def _fit_in_words(fit: Calibration | None, factor: float) -> tuple[str, str, str]:
    """Write a calibration's slope, its threshold, and whether it is trusted."""
    if fit is None:
        return "-", "-", "-"
    low, high = fit.slope_interval
    trust = "yes" if fit.trusted else f"no: {fit.reason or 'no reason given'}"
    slope = f"{fit.slope:.2f} [{low:.2f}, {high:.2f}]"
    return slope, number(fit.threshold, factor), trust


def _count(n: int | None) -> str:
    return "-" if n is None else str(n)
