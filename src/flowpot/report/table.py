"""A campaign in tables: a column an iteration."""

from collections.abc import Callable, Iterator, Sequence
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

Cell = Callable[[IterationDoc], str]


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
    parts = (_fresh(names), _labels(), _errors(), _calibration(names), _frames())
    for rows in (*parts, _seconds()):
        table.add_section()
        for label, cell in rows:
            table.add_row(label, *map(cell, iterations))
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


def _fresh(names: Sequence[str]) -> Iterator[tuple[str, Cell]]:
    for name in names:
        unit, factor = UNITS[name]
        yield f"fresh error {name} ({unit})", _fresh_error(name, factor)
    yield "fresh frames over tolerance", _fresh_over


def _fresh_error(name: str, factor: float) -> Cell:
    return lambda i: error_with_interval((i.fresh_error or {}).get(name), factor)


def _fresh_over(iteration: IterationDoc) -> str:
    shares = {
        name: fresh.over
        for name, fresh in (iteration.fresh_error or {}).items()
        if fresh.over is not None
    }
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) or "-"


def _labels() -> Iterator[tuple[str, Cell]]:
    yield (
        "frames labelled (failed)",
        lambda i: f"{_count(i.n_labelled)} ({_count(i.n_failed)})",
    )
    yield "frames in the dataset", lambda i: _count(i.n_dataset)


def _errors() -> Iterator[tuple[str, Cell]]:
    for name in PROPERTIES:
        unit, factor = UNITS[name]
        yield f"RMSE {name} ({unit})", _rmse(name, factor)


def _rmse(name: str, factor: float) -> Cell:
    def cell(iteration: IterationDoc) -> str:
        metrics = iteration.metrics
        if metrics is None:
            return "-"
        sets = (metrics.get(label, {}).get(name) for label in SETS)
        return " / ".join(number(rmse, factor) for rmse in sets)

    return cell


def _calibration(names: Sequence[str]) -> Iterator[tuple[str, Cell]]:
    for name in names:
        unit, factor = UNITS[name]
        yield f"slope {name} [95 %]", _fit(name, _slope)
        yield f"threshold {name} ({unit})", _fit(name, _threshold(factor))
        yield f"trusted {name}", _fit(name, _trusted)
    yield "calibrated on", _calibrated_on


def _fit(name: str, show: Callable[[Calibration], str]) -> Cell:
    def cell(iteration: IterationDoc) -> str:
        fit = (iteration.calibration or {}).get(name)
        return "-" if fit is None else show(fit)

    return cell


def _slope(fit: Calibration) -> str:
    low, high = fit.slope_interval
    return f"{fit.slope:.2f} [{low:.2f}, {high:.2f}]"


def _threshold(factor: float) -> Callable[[Calibration], str]:
    return lambda fit: number(fit.threshold, factor)


def _calibrated_on(iteration: IterationDoc) -> str:
    origins = [fit.origin for fit in (iteration.calibration or {}).values()]
    return origins[0] if origins else "-"


def _trusted(fit: Calibration) -> str:
    return "yes" if fit.trusted else f"no: {fit.reason or 'no reason given'}"


def _frames() -> Iterator[tuple[str, Cell]]:
    yield "frames explored", lambda i: _count(i.n_explored)
    yield "MD runs halted", lambda i: _count(sum((i.halted or {}).values()))
    yield "frames flagged", lambda i: _count(i.n_over)
    yield "  beyond the upper bound", lambda i: _count(i.n_wrecked)
    yield (
        "frames selected + audit",
        lambda i: f"{_count(i.n_selected)} + {_count(i.n_audit)}",
    )
    yield "audit: bad of labelled", _audit


def _audit(iteration: IterationDoc) -> str:
    audit = iteration.audit
    if audit is None or audit.n == 0:
        return "-"
    return f"{audit.n_bad} of {audit.n} (<= {audit.upper_limit:.0%})"


def _seconds() -> Iterator[tuple[str, Cell]]:
    for stage, label in _STAGES.items():
        yield f"seconds in {label}", _seconds_of(stage)


def _seconds_of(stage: str) -> Cell:
    def cell(iteration: IterationDoc) -> str:
        seconds = iteration.seconds.get(stage)
        return "-" if seconds is None else f"{seconds:.0f}"

    return cell


def _count(n: int | None) -> str:
    return "-" if n is None else str(n)
