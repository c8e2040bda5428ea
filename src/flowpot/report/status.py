"""How far a campaign is, for a terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading.status import CampaignStatus, StageStatus
from flowpot.campaign.record import STAGES
from flowpot.redaction import redact
from flowpot.report.table import in_words

_BAR = 24  # characters
_SHOWN_FAILURES = 5


def duration(seconds: float) -> str:
    """
    Write a time as people say it.

    Examples
    --------
    >>> duration(42.3), duration(400), duration(10_000)
    ('42 s', '7 min', '2.8 h')
    """
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def status_view(
    status: CampaignStatus,
    turns: Iterable[IterationDoc],
    failures: Iterable[dict[str, Any]] = (),
) -> RenderableType:
    """
    Show what is done, what is running, and what has failed.

    Parameters
    ----------
    status
        Of the campaign.
    turns
        Its iterations, for the errors reached.
    failures
        With ``iteration``, ``stage``, ``what``, ``reason`` and ``folder``.
    """
    parts: list[RenderableType] = [_headline(status), _summary(status), Text()]
    finished = [turn for turn in turns if turn.metrics or turn.n_labelled is not None]
    if finished:
        parts += [_errors(finished), Text()]
    if status.stop_reason is None:
        parts.append(_stages(status))
    parts += list(_failures(list(failures)))
    return Group(*parts)


def _headline(status: CampaignStatus) -> Text:
    running = status.stop_reason is None
    state = ("running", "bold yellow") if running else ("finished", "bold green")
    return Text.assemble(
        (f"Campaign {status.name!r}", "bold"), "  ", state, f"  {status.uuid}"
    )


def _summary(status: CampaignStatus) -> Text:
    if status.stop_reason is not None:
        return Text(redact(f"Stopped, {status.stop_reason}"))
    parts = [f"iteration {status.iteration}", f"{status.n_dataset} labelled frames"]
    if status.updated is not None:
        parts.append(f"last job at {status.updated:%Y-%m-%d %H:%M:%S}")
    if status.remaining:
        parts.append(f"about {duration(status.remaining)} left in this iteration")
    if status.at_most:
        most = f"{duration(status.at_most)} if all {status.max_iterations} run"
        parts.append(most)
    return Text(", ".join(parts))


def _stages(status: CampaignStatus) -> Table:
    """Return the stages of the present iteration, a bar each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    present = {
        stage.stage: stage
        for stage in status.stages
        if stage.iteration == status.iteration
    }
    for name in STAGES[1:]:
        stage = present.get(name)
        if stage is None or not stage.total:
            continue
        bar = ProgressBar(
            total=stage.total,
            completed=stage.total if stage.finished else stage.done,
            width=_BAR,
        )
        table.add_row(name, bar, *_counts(stage))
    return table


def _counts(stage: StageStatus) -> tuple[Text, str]:
    if stage.finished:
        return Text("done"), duration(stage.seconds)
    jobs = [Text(f"{stage.done} of {stage.total} jobs")]
    if stage.running:
        jobs.append(Text(f"{stage.running} running"))
    if stage.failed:
        jobs.append(Text(f"{stage.failed} failed", style="red"))
    taken = duration(stage.seconds) if stage.done else "waiting"
    return Text(", ").join(jobs), taken


def _errors(turns: list[IterationDoc]) -> Table:
    """Return the iterations in a line each."""
    table = Table(
        "iteration",
        "frames",
        "fresh error, forces (meV/A)",
        "RMSE, test",
        "flagged",
        "chosen",
    )
    for turn in turns:
        error = ((turn.metrics or {}).get("test") or {}).get("forces")
        explored = "-" if turn.n_explored is None else f"of {turn.n_explored}"
        table.add_row(
            str(turn.iteration),
            str(turn.n_dataset),
            in_words((turn.fresh_error or {}).get("forces"), 1e3),
            "-" if error is None else f"{1e3 * error:.3g}",
            "-" if turn.n_over is None else f"{turn.n_over} {explored}",
            "-" if turn.n_selected is None else f"{turn.n_selected} + {turn.n_audit}",
        )
    return table


def _failures(failures: list[dict[str, Any]]) -> Iterable[RenderableType]:
    if not failures:
        return
    yield Text(f"\n{len(failures)} failed", style="bold red")
    for each in failures[-_SHOWN_FAILURES:]:
        place = f"  iteration {each['iteration']}, {each['stage']}: "
        reason = redact(f"{each['what']}: {each['reason']}")
        yield Text.assemble((place, "dim"), reason)
        if each["folder"]:
            yield Text(f"    {each['folder']}", style="dim")
