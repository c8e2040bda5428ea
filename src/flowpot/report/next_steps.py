"""What to do next with a campaign, as commands to paste."""

import shlex
from collections.abc import Iterator, Mapping
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

_NEEDS_ITERATIONS = ("max_iterations", "none_over", "not_converged")
_LONGEST_NAME = 100  # bytes of a file's name; file systems allow 255, with suffixes


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
    limits = _raised_limits(campaign, kind, last)
    if campaign.command:
        return _continued(campaign.command, limits)
    maker = "maker"
    if limits:
        values = ", ".join(f"{name}={value}" for name, value in limits.items())
        maker = f"dataclasses.replace(maker, {values})"
    ended = f"Campaign.from_store(store, {campaign.name!r})"
    return f"run_locally({maker}.make(campaign={ended}), store=store)"


def _raised_limits(
    campaign: Campaign, kind: StopKind, last: IterationDoc | None
) -> dict[str, int]:
    """Return larger limits in place of those that allow no further iteration."""
    status, limits = campaign.status, {}
    # An iteration whose record was lost has no document, and counts all the same.
    done = max(status.iteration, last.iteration if last else 0)
    allowed = status.max_iterations or done
    if kind in _NEEDS_ITERATIONS or done >= max(allowed, 1):
        limits["max_iterations"] = allowed + max(2, allowed // 2)
    labels = campaign.makers.get("max_labels")
    sent = last.n_sent_total if last else 0
    if kind == "max_labels" or (labels is not None and sent >= labels):
        limits["max_labels"] = 2 * max(sent, labels or 1)
    return limits


def _continued(command: str, limits: Mapping[str, int]) -> str:
    """Return the command with ``--continue``, and limits in place of its own."""
    options = {f"--{name.replace('_', '-')}": str(n) for name, n in limits.items()}
    words = shlex.split(command)
    for place in reversed(range(len(words))):
        if words[place] in options:
            del words[place : place + 2]
    raised = [word for option in options.items() for word in option]
    return shlex.join([*words, "--continue", *raised])


def _use(campaign: Campaign, where: str, words: str) -> Step:
    name = _file_name(campaign)
    files = f"--models {name}-models --dataset {name}.xyz"
    return Step(words, _command("export", campaign, where, files))


def _command(verb: str, campaign: Campaign, where: str, options: str) -> str:
    # A name that begins with a dash would be read as an option.
    usable = campaign.name and not campaign.name.startswith("-")
    name = shlex.quote(campaign.name) if usable else campaign.uuid
    words = (program(), verb, name, where, options)
    return " ".join(filter(None, words))


def _file_name(campaign: Campaign) -> str:
    """Return the campaign's name as a part of the names of files."""
    kept = [c if c.isalnum() or c in "-_." else "-" for c in campaign.name]
    name = "".join(kept).strip("-.")
    short = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return short.rstrip("-.") or "campaign"
