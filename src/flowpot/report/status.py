"""The status of a campaign, for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading.status import CampaignStatus
from flowpot.campaign.record import LOOP_STAGES
from flowpot.campaign.stopping import left_out_in_words
from flowpot.console import say, say_command
from flowpot.dataset.sets import TEST
from flowpot.redaction import redact
from flowpot.report.verdicts import Verdict
from flowpot.report.wording import (
    UNITS,
    duration,
    error_with_interval,
    state_of,
    with_symbols,
)

_BAR = 24  # characters
_SHOWN_FAILURES = 5
_STYLES = {"converged": "bold green", "failed": "bold red", "running": "bold cyan"}
_OTHER_STYLE = "bold yellow"  # of campaigns that have ended, and are not converged


def status_view(
    status: CampaignStatus,
    iterations: Iterable[IterationDoc],
    failures: Iterable[dict[str, Any]] = (),
) -> RenderableType:
    """
    Show what is done, what is running, and what has failed.

    Parameters
    ----------
    status
        Status of the campaign.
    iterations
        Its iterations so far.
    failures
        What failed, each with ``iteration``, ``stage``, ``what``, ``reason`` and
        ``folder``.

    Returns
    -------
    RenderableType
        For a terminal of 80 columns, or of more.
    """
    parts: list[RenderableType] = [_headline(status), _summary(status), Text()]
    begun = [each for each in iterations if each.metrics or each.n_labelled is not None]
    if begun:
        parts += [_iterations(begun), Text()]
        said = [Text(redact(line)) for line in _properties_in_words(begun)]
        parts += [*said, Text()] if said else []
    if status.stop_reason is None:
        parts.append(_stages(status))
    parts += _failures(list(failures))
    return Group(*parts)


def _headline(status: CampaignStatus) -> Text:
    state = state_of(status)
    return Text.assemble(
        (f"Campaign {status.name!r}", "bold"),
        "  ",
        (state, _STYLES.get(state, _OTHER_STYLE)),
        f"  {status.uuid}",
    )


def say_verdict(console: Console, verdict: Verdict, said: str = "") -> None:
    """
    Print the verdict: the questions, their answers, and commands to paste.

    Parameters
    ----------
    console
        Console to print on.
    verdict
        What the campaign came to.
    said
        What the reader knows already: warnings in it are not repeated.
    """
    say(console, (verdict.headline, "bold"))
    *answers, (what_next, _) = verdict.answers.items()
    for question, answer in answers:
        say(console, (question, "bold"), f" {answer}")
    for warning in verdict.warnings:
        if warning not in said:
            say(console, ("Note: ", "yellow"), with_symbols(warning))
    say(console, (what_next, "bold"))
    for step in verdict.steps:
        say(console, f"  {step.words}{':' if step.command else ''}")
        if step.command is not None:
            say_command(console, step.command)


def _summary(status: CampaignStatus) -> Text:
    if status.stop_reason is not None:
        return Text(redact(f"Stopped, {status.stop_reason}"))
    parts = [f"iteration {status.iteration}", f"{status.n_dataset} labelled frames"]
    if status.updated is not None:
        parts.append(f"last job at {status.updated:%Y-%m-%d %H:%M:%S}")
    if status.remaining:
        parts.append(f"about {duration(status.remaining)} left in this iteration")
    if status.at_most:
        parts.append(
            f"{duration(status.at_most)} if all {status.max_iterations} run",
        )
    return Text(", ".join(parts))


def _stages(status: CampaignStatus) -> Table:
    """Return the stages of the present iteration, each with a progress bar."""
    table = Table(box=None, pad_edge=False, show_header=False)
    present = {
        stage.stage: stage
        for stage in status.stages
        if stage.iteration == status.iteration
    }
    for name in LOOP_STAGES:
        stage = present.get(name)
        if stage is None or not stage.total:
            continue
        bar = ProgressBar(
            total=stage.total,
            completed=stage.total if stage.finished else stage.done,
            width=_BAR,
        )
        jobs, taken = [Text(f"{stage.done} of {stage.total} jobs")], "waiting"
        if stage.running:
            jobs.append(Text(f"{stage.running} running"))
        if stage.failed:
            jobs.append(Text(f"{stage.failed} failed", style="red"))
        if stage.finished:
            jobs = [Text("done")]
        if stage.done or stage.finished:
            taken = duration(stage.seconds)
        table.add_row(name, bar, Text(", ").join(jobs), taken)
    return table


def _iterations(iterations: Sequence[IterationDoc]) -> Table:
    """Return a table with a row an iteration, its errors those of forces (meV/Å)."""
    table = Table(
        *("iteration", "frames", "fresh error", "RMSE, test", "flagged", "chosen"),
        box=None,
        pad_edge=False,
        caption=f"Errors of forces in {UNITS['forces'][0]}.{_left_out(iterations)}",
        caption_justify="left",
    )
    for iteration in iterations:
        rmse = ((iteration.metrics or {}).get(TEST) or {}).get("forces")
        n_over, n_explored = iteration.n_over, iteration.n_explored
        explored = "-" if n_explored is None else f"of {n_explored}"
        n_selected = iteration.n_selected
        table.add_row(
            str(iteration.iteration),
            str(iteration.n_dataset),
            error_with_interval((iteration.fresh_error or {}).get("forces"), 1e3),
            "-" if rmse is None else f"{1e3 * rmse:.3g}",
            "-" if n_over is None else f"{n_over} {explored}",
            "-" if n_selected is None else f"{n_selected} + {iteration.n_audit}",
        )
    return table


def _left_out(iterations: Sequence[IterationDoc]) -> str:
    """Say how many frames of the last evaluation cannot be labelled; "" if all can."""
    evaluated = [each for each in iterations if each.n_explored is not None]
    said = left_out_in_words(evaluated[-1]) if evaluated else ""
    if not said:
        return ""
    last = evaluated[-1]
    return (
        f" Iteration {last.iteration}: of {last.n_explored} explored frames {said} are "
        "not labelled."
    )


def _failures(failures: Sequence[dict[str, Any]]) -> Iterator[RenderableType]:
    if not failures:
        return
    yield Text(f"\n{len(failures)} failed", style="bold red")
    for failure in failures[-_SHOWN_FAILURES:]:
        place = f"  iteration {failure['iteration']}, {failure['stage']}: "
        reason = redact(f"{failure['what']}: {failure['reason']}")
        yield Text.assemble((place, "dim"), reason)
        if failure["folder"]:
            yield Text(f"    {failure['folder']}", style="dim")


def _properties_in_words(iterations: Sequence[IterationDoc]) -> Iterator[str]:
    """Yield a sentence for each property of the last iteration that has some."""
    last = next((each for each in reversed(iterations) if each.properties), None)
    if last is not None:
        for standing in last.properties or ():
            yield f"iteration {last.iteration}: {standing}"
