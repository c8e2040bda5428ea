"""What to do next with a campaign, as commands to paste."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from flowpot.campaign.document import IterationDoc, StopKind
from flowpot.campaign.reading import Campaign
from flowpot.console import program

_MORE = {
    "max_iterations": "Go on with more iterations",
    "max_labels": "Go on with more labels",
    "nothing_left": "Explore more widely (hotter, longer or other trajectories, more "
    "structures): change {maker}, and go on",
    "not_converged": "Train for longer or with a larger model, or allow for more "
    "(property_tolerance): change {maker}, and go on",
    "none_over": "Have it audited: set stop_at_none_over to false in {maker}, and go "
    "on",
    "failed": "Mend what the reason names, and go on before the stage that failed",
    "completed": "Add the stage that is missing to {maker}, and go on",
}
"""What to do after each kind of end but ``converged``, before a command."""


@dataclass(frozen=True)
class Step:
    """
    Something to do next.

    Attributes
    ----------
    words
        What it is good for.
    command
        What to paste into a terminal, or into Python; None where there is nothing to.
    """

    words: str
    command: str | None = None

    def __str__(self) -> str:
        return self.words if self.command is None else f"{self.words}: {self.command}"


def next_steps(campaign: Campaign, where: str = "") -> list[Step]:
    """
    List what to do next, the most urgent first.

    Parameters
    ----------
    campaign
        A campaign, finished or running.
    where
        Option by which commands find its store.
    """
    kind: StopKind | None = campaign.status.stop_kind  # type: ignore[assignment]
    last = campaign.iteration_docs[-1] if campaign.iteration_docs else None
    steps = []
    if last is not None and last.warnings:
        steps.append(Step("First mend what the warnings name: no further label does"))
    if kind is None:
        watch = _command("status", campaign, where, "--watch")
        return [*steps, Step("Wait for it", watch)]
    if kind == "converged":
        steps.append(_use(campaign, where, "Use it"))
        steps.append(
            Step(
                "Retrain on more labels before you leave the temperatures, pressures "
                "and structures that were explored"
            )
        )
        return steps
    steps += _unfinished(campaign, kind, last, where)
    if last is not None and any(i.metrics for i in campaign.iteration_docs):
        steps.append(_use(campaign, where, "Or use it as it is, with its error bars"))
    return steps


def _unfinished(
    campaign: Campaign, kind: StopKind, last: IterationDoc | None, where: str
) -> Iterator[Step]:
    if kind == "completed" and last is not None and last.n_chosen:
        option = f"--unlabelled {_file_name(campaign)}-to-label.xyz"
        yield Step(
            f"Label these: {last.n_chosen} frames that were chosen",
            _command("export", campaign, where, option),
        )
    maker = "the campaign's file" if campaign.command else "the Maker"
    words = _MORE.get(kind, "Go on").format(maker=maker)
    aside = "" if campaign.command else " (Python; `maker` is the campaign's)"
    yield Step(f"{words}{aside}", _go_on(campaign, kind, last))


def _go_on(campaign: Campaign, kind: StopKind, last: IterationDoc | None) -> str:
    """Return the command that continues a campaign, with a larger budget if need be."""
    changes: dict[str, int] = {}
    if kind in ("max_iterations", "none_over", "not_converged"):
        allowed = campaign.status.max_iterations or (last.iteration if last else 0)
        changes["max_iterations"] = allowed + max(2, allowed // 2)
    elif kind == "max_labels":
        changes["max_labels"] = 2 * (last.n_sent_total if last else 0)
    if campaign.command:
        options = "".join(
            f" --{name.replace('_', '-')} {value}" for name, value in changes.items()
        )
        return f"{campaign.command} --continue{options}"
    maker = "maker"
    if changes:
        values = ", ".join(f"{name}={value}" for name, value in changes.items())
        maker = f"dataclasses.replace(maker, {values})"
    ended = f"Campaign.from_store(store, {campaign.name!r})"
    return f"run_locally({maker}.make(campaign={ended}), store=store)"


def _use(campaign: Campaign, where: str, words: str) -> Step:
    name = _file_name(campaign)
    files = f"--models {name}-models --dataset {name}.xyz"
    return Step(words, _command("export", campaign, where, files))


def _command(verb: str, campaign: Campaign, where: str, options: str) -> str:
    words = (program(), verb, shlex.quote(campaign.name), where, options)
    return " ".join(filter(None, words))


def _file_name(campaign: Campaign) -> str:
    """Return the campaign's name as a part of the names of files."""
    kept = [c if c.isalnum() or c in "-_." else "-" for c in campaign.name]
    return "".join(kept).strip("-.") or "campaign"
