"""A dry run on the terminal: a table of the stages, and what there is to say on it."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowpot.campaign.estimate import DryRun
from flowpot.console import say

_MOST_REFUSED = 5  # reasons that are printed


def print_plan(console: Console, plan: DryRun) -> None:
    """
    Print what the first iteration would do, and cost.

    Parameters
    ----------
    console
        Console to print on.
    plan
        The dry run.
    """
    console.print(_table(plan))
    for about, text in _remarks(plan):
        say(console, (about, "bold"), f": {text}")


def _table(plan: DryRun) -> Table:
    table = Table(
        *("stage", "jobs", "frames", "atoms", "k-points", "core-hours"),
        title=Text(f"First iteration of {plan.name!r}"),
        title_justify="left",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in plan.stages:
        table.add_row(
            stage.stage,
            *(str(n) for n in (stage.n_jobs, stage.n_frames, stage.n_atoms)),
            "-" if stage.n_kpoints is None else str(stage.n_kpoints),
            _hours(stage.core_hours),
        )
    table.add_section()
    n_jobs = sum(stage.n_jobs for stage in plan.stages)
    table.add_row("together", str(n_jobs), "", "", "", _hours(plan.core_hours))
    return table


def _remarks(plan: DryRun) -> Iterator[tuple[str, str]]:
    """Yield what a remark is about, and its text."""
    if plan.config_types:
        kinds = [f"{n} {kind}" for kind, n in plan.config_types.items()]
        yield "to label", ", ".join(kinds)
    yield from ((stage.stage, stage.note) for stage in plan.stages if stage.note)
    yield "core-hours", plan.basis
    yield from (("faster", stage.hint) for stage in plan.stages if stage.hint)
    yield from (("refused", reason) for reason in plan.refused[:_MOST_REFUSED])
    if (more := len(plan.refused) - _MOST_REFUSED) > 0:
        yield "refused", f"{more} more frames"


def _hours(hours: float | None) -> str:
    return "unknown" if hours is None else f"{hours:.3g}"
