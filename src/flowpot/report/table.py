"""A campaign in one table: a column an iteration."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from flowpot.campaign.document import IterationDoc
from flowpot.dataset.sets import SETS
from flowpot.evaluation import Calibration, FreshError

UNITS = {
    "energy": ("meV/atom", 1e3),
    "forces": ("meV/A", 1e3),
    "stress": ("meV/A^3", 1e3),
}
"""What people read, and the factor from eV."""

_STAGES = {
    "labelling": "DFT",
    "training": "training",
    "exploration": "MD",
    "evaluation": "evaluation",
}

Cell = Callable[[IterationDoc], str]


def campaign_table(name: str, turns: Sequence[IterationDoc]) -> Table:
    """Labels, errors, calibration, selection and seconds of every iteration."""
    table = Table(
        title=Text(f"Campaign {name!r}"),
        title_justify="left",
        caption="Error on fresh frames: median of explored frames, as predicted before "
        "they were learned. RMSE of the committee mean, on train / val / test. "
        "Seconds are summed over runs that went side by side.",
        caption_justify="left",
    )
    table.add_column("iteration")
    for turn in turns:
        table.add_column(str(turn.iteration), justify="right")
    for rows in (_fresh(), _labels(), _errors(), _calibration(), _frames(), _seconds()):
        table.add_section()
        for label, cell in rows:
            table.add_row(label, *map(cell, turns))
    return table


def _labels() -> list[tuple[str, Cell]]:
    return [
        (
            "frames labelled (failed)",
            lambda t: f"{_n(t.n_labelled)} ({_n(t.n_failed)})",
        ),
        ("frames in the dataset", lambda t: _n(t.n_dataset)),
    ]


def _fresh() -> list[tuple[str, Cell]]:
    errors: list[tuple[str, Cell]] = [
        (f"error on fresh frames, {name} ({unit})", _fresh_error(name, factor))
        for name, (unit, factor) in UNITS.items()
    ]
    return [*errors, ("fresh frames over tolerance", _fresh_over)]


def _fresh_error(name: str, factor: float) -> Cell:
    return lambda turn: in_words((turn.fresh_error or {}).get(name), factor)


def in_words(fresh: FreshError | None, factor: float) -> str:
    """Write a fresh error and its interval, or a dash where there is none."""
    if fresh is None or fresh.value is None:
        return "-"
    low, high = fresh.interval
    return f"{_x(fresh.value, factor)} [{_x(low, factor)}, {_x(high, factor)}]"


def _fresh_over(turn: IterationDoc) -> str:
    shares = {
        name: fresh.over
        for name, fresh in (turn.fresh_error or {}).items()
        if fresh.over is not None
    }
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) or "-"


def _errors() -> list[tuple[str, Cell]]:
    return [
        (f"RMSE {name} ({unit})", _rmse(name, factor))
        for name, (unit, factor) in UNITS.items()
    ]


def _rmse(name: str, factor: float) -> Cell:
    def cell(turn: IterationDoc) -> str:
        if turn.metrics is None:
            return "-"
        sets = (turn.metrics.get(s, {}).get(name) for s in SETS)
        return " / ".join(_x(value, factor) for value in sets)

    return cell


def _calibration() -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    for name, (unit, factor) in UNITS.items():
        rows += [
            (f"slope {name} [95 %]", _fit(name, _slope)),
            (f"threshold {name} ({unit})", _fit(name, _threshold(factor))),
        ]
    return [
        *rows,
        ("calibrated on", lambda t: _first(t, "origin")),
        ("trusted", lambda t: _first(t, "trusted")),
    ]


def _fit(name: str, show: Callable[[Calibration], str]) -> Cell:
    def cell(turn: IterationDoc) -> str:
        fit = (turn.calibration or {}).get(name)
        return "-" if fit is None else show(fit)

    return cell


def _slope(fit: Calibration) -> str:
    low, high = fit.slope_interval
    return f"{fit.slope:.2f} [{low:.2f}, {high:.2f}]"


def _threshold(factor: float) -> Callable[[Calibration], str]:
    return lambda fit: _x(fit.threshold, factor)


def _first(turn: IterationDoc, field: str) -> str:
    values = [getattr(fit, field) for fit in (turn.calibration or {}).values()]
    if field == "trusted" and values:
        return f"{sum(values)} of {len(values)} properties"
    return str(values[0]) if values else "-"


def _frames() -> list[tuple[str, Cell]]:
    return [
        ("frames explored", lambda t: _n(t.n_explored)),
        ("MD runs halted", lambda t: _n(sum((t.halted or {}).values()))),
        ("frames flagged", lambda t: _n(t.n_over)),
        ("  of them wrecked", lambda t: _n(t.n_wrecked)),
        ("frames selected + audit", lambda t: f"{_n(t.n_selected)} + {_n(t.n_audit)}"),
        ("audit: bad of labelled", _audit),
    ]


def _audit(turn: IterationDoc) -> str:
    if turn.audit is None or turn.audit.n == 0:
        return "-"
    return f"{turn.audit.n_bad} of {turn.audit.n} (<= {turn.audit.upper_limit:.0%})"


def _seconds() -> list[tuple[str, Cell]]:
    return [
        (f"seconds in {label}", _seconds_of(stage)) for stage, label in _STAGES.items()
    ]


def _seconds_of(stage: str) -> Cell:
    return lambda turn: _x(turn.seconds.get(stage), 1, ".0f")


def _n(value: int | None) -> str:
    return "-" if value is None else str(value)


def _x(value: float | None, factor: float, form: str = ".3g") -> str:
    return "-" if value is None else format(factor * value, form)
