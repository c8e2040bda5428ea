"""The verdict on a campaign, in words: one owner for page, status and last lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from flowpot.campaign.convergence import lacking_in_words
from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading import Campaign
from flowpot.evaluation import Calibration, FreshError
from flowpot.report.cost import costs_of
from flowpot.report.next_steps import Step, next_steps
from flowpot.report.wording import (
    UNITS,
    duration,
    error_with_interval,
    number,
    state_of,
    with_symbols,
)

Standing = Literal["within", "over", "unclear", "unknown"]


@dataclass(frozen=True)
class FreshLine:
    """
    The error on fresh frames in one property, for people to read.

    Attributes
    ----------
    name, unit
        The property and the unit of what follows.
    error
        Median error of a frame, with its 95 % interval.
    tolerance
        The tolerance; a dash where it is not known.
    over
        Share of the frames over tolerance, in words; "" where it is not known.
    standing
        Whether the interval is ``within`` the tolerance or ``over`` it, or holds it
        (``unclear``).
    """

    name: str
    unit: str
    error: str
    tolerance: str
    over: str
    standing: Standing

    def __str__(self) -> str:
        aside = ", ".join(filter(None, (f"tolerance {self.tolerance}", self.over)))
        return f"{self.name} {self.error} {self.unit} ({aside})"


@dataclass(frozen=True)
class Verdict:
    """
    What a campaign came to.

    Attributes
    ----------
    state
        What it is called: see :data:`flowpot.report.wording.STATES`.
    headline
        The verdict in a sentence.
    fresh
        The error on fresh frames, by property; empty where it is not known.
    fresh_of
        Which frames these are.
    audit
        What the last audit found; "" where there was none.
    good, trusted, cost
        Answers to three questions: see :attr:`answers`.
    steps
        What to do next.
    warnings
        What no further label mends, by the last iteration.
    """

    state: str
    headline: str
    fresh: list[FreshLine]
    fresh_of: str
    audit: str
    good: str
    trusted: str
    cost: str
    steps: list[Step]
    warnings: list[str]

    @property
    def answers(self) -> dict[str, str]:
        """What everybody asks of a campaign, and the answers."""
        return {
            "Is it good?": self.good,
            "Can it be trusted?": self.trusted,
            "What did it cost?": self.cost,
            "What next?": "\n".join(map(str, self.steps)),
        }


def verdict(campaign: Campaign, where: str = "") -> Verdict:
    """
    Say whether a campaign's potential is good, can be trusted, what it cost, what next.

    Parameters
    ----------
    campaign
        A campaign, finished or running.
    where
        Option by which commands find its store, ``--store PATH`` for instance.
    """
    iterations = campaign.iteration_docs
    known = next((each for each in iterations[::-1] if each.fresh_error), None)
    lines = fresh_lines(known) if known else []
    fresh_of = ""
    if known and lines:
        first = next(iter((known.fresh_error or {}).values()))
        fresh_of = f"iteration {known.iteration}, n = {first.n}: {first.of}"
    state = state_of(campaign.status)
    return Verdict(
        state=state,
        headline=_headline(campaign, state, lines),
        fresh=lines,
        fresh_of=with_symbols(fresh_of),
        audit=_audit(iterations),
        good=_good(campaign, lines),
        trusted=_trusted(iterations, ended=campaign.finished),
        cost=_cost(campaign),
        steps=next_steps(campaign, where),
        warnings=list(iterations[-1].warnings or ()) if iterations else [],
    )


def fresh_lines(iteration: IterationDoc) -> list[FreshLine]:
    """
    Write an iteration's error on fresh frames, a line for each property with one.

    Properties without a tolerance are left out where others have one.
    """
    fits = iteration.calibration or {}
    errors = {
        name: fresh
        for name, fresh in (iteration.fresh_error or {}).items()
        if fresh.value is not None
    }
    shown = [name for name in errors if name in fits] or list(errors)
    return [_line(name, errors[name], fits.get(name)) for name in shown]


def _line(name: str, fresh: FreshError, fit: Calibration | None) -> FreshLine:
    unit, factor = UNITS[name]
    tolerance = None if fit is None else fit.tolerance
    over = (
        "" if fresh.over is None else f"{100 * fresh.over:.0f} % of the frames over it"
    )
    return FreshLine(
        name=name,
        unit=unit,
        error=error_with_interval(fresh, factor),
        tolerance=number(tolerance, factor),
        over=over,
        standing=_standing(fresh.interval, tolerance),
    )


def _standing(
    interval: tuple[float, float | None], tolerance: float | None
) -> Standing:
    low, high = interval
    if tolerance is None:
        return "unknown"
    if high is not None and high <= tolerance:
        return "within"
    return "over" if low > tolerance else "unclear"


def _headline(campaign: Campaign, state: str, lines: Sequence[FreshLine]) -> str:
    """Return the verdict in a sentence."""
    status = campaign.status
    last = campaign.iteration_docs[-1] if campaign.iteration_docs else None
    if state == "converged":
        return "Converged: good within the tolerances, where it has explored."
    if state == "failed":
        return _failure(campaign, last)
    if state == "not audited":
        return "Not audited: whether what the committee accepts is good was not asked."
    if state == "completed":
        return "Completed: no further stage to run."
    error = _against_tolerance(lines)
    if state == "running":
        return f"Running, iteration {status.iteration}: {error}."
    if properties := lacking_in_words((last and last.properties) or []):
        error = properties
    flagged = ""
    if last and not properties and last.n_explored:
        flagged = f"; {last.n_over or 0} of {last.n_explored} frames still flagged"
    return f"Not converged: {error}{flagged}."


def _failure(campaign: Campaign, last: IterationDoc | None) -> str:
    """Say in which iteration a campaign has failed, and what gave no result."""
    # A stage that was lost has left no document, and a lost iteration no record.
    number = max(campaign.status.iteration, last.iteration if last else 0)
    when = f"in iteration {number}" if number else "before the first iteration"
    if last and last.iteration == number and last.failed_stage:
        return f"Failed {when}: no result of {last.failed_stage}."
    reason = (campaign.stop_reason or "").partition(": ")[2].partition(". ")[0]
    what = f": {with_symbols(reason)}" if reason else ""
    return f"Failed {when}{what}."


def _against_tolerance(lines: Sequence[FreshLine]) -> str:
    """Say how the error on fresh frames compares with the tolerances."""
    over = [line.name for line in lines if line.standing == "over"]
    unclear = [line.name for line in lines if line.standing == "unclear"]
    if over:
        return f"median error on fresh frames over tolerance in {', '.join(over)}"
    if unclear:
        return (
            f"median error on fresh frames not surely within tolerance in "
            f"{', '.join(unclear)}"
        )
    if lines and all(line.standing == "within" for line in lines):
        return "median error on fresh frames within the tolerances"
    return "error on fresh frames not known"


def _good(campaign: Campaign, lines: Sequence[FreshLine]) -> str:
    kind, reason = campaign.status.stop_kind, campaign.stop_reason or ""
    if kind == "converged":
        answer = "Yes, within the tolerances"
    elif lines:
        answer = "Not yet" if campaign.finished else "So far"
    else:
        answer = "Nobody knows" if campaign.finished else "Nobody knows yet"
    parts = []
    if lines:
        parts.append(f"median error on fresh frames: {'; '.join(map(str, lines))}")
    elif reason:
        parts.append(with_symbols(reason.partition(": ")[2]))
    if lines and campaign.iteration_docs:  # without lines the reason has them
        standings = campaign.iteration_docs[-1].properties or []
        properties = [with_symbols(str(standing)) for standing in standings]
        parts += filter(None, ["; ".join(properties)])
    parts += filter(None, [_audit(campaign.iteration_docs), _halted(campaign)])
    return f"{answer}: {'. '.join(parts)}" if parts else answer


def _audit(iterations: Sequence[IterationDoc]) -> str:
    audit = iterations[-1].audit if iterations else None
    if audit is None or not audit.n:
        return ""
    share = f"share at most {100 * audit.upper_limit:.1f} %"
    if audit.n_closing == 0:
        share += ", but the flags were fitted to these frames, too"
    return (
        f"{'Pilot' if audit.n_closing == 0 else 'Audit'}: {audit.n_bad} of {audit.n} "
        f"accepted frames are over tolerance ({share})"
    )


def _halted(campaign: Campaign) -> str:
    """Say how many of the last trajectories were halted: they explored less."""
    explored = [each for each in campaign.iteration_docs if each.halted is not None]
    if not explored or not (halted := explored[-1].halted):
        return ""
    iteration = explored[-1].iteration
    of = f" of {n}" if (n := campaign.n_runs.get(iteration)) else ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in halted.items())
    return (
        f"In iteration {iteration}, {sum(halted.values())}{of} trajectories were "
        f"halted ({reasons}): what they would have come to was not explored"
    )


def _trusted(iterations: Sequence[IterationDoc], *, ended: bool) -> str:
    fits = next((i.calibration for i in iterations[::-1] if i.calibration), None)
    if not fits:
        return "No: nothing was calibrated" if ended else "Not calibrated yet"
    doubtful = dict(distrust(fits))
    if not doubtful:
        return (
            f"Yes: the error bars of {', '.join(fits)} are calibrated on enough frames"
        )
    why = "; ".join(f"{name}: {reason}" for name, reason in doubtful.items())
    good = [name for name in fits if name not in doubtful]
    rest = f". Those of {', '.join(good)} can" if good else ""
    return f"Not the error bars of {why}{rest}"


def distrust(fits: Mapping[str, Calibration]) -> Iterator[tuple[str, str]]:
    """Yield the properties whose calibration is not trusted, and why."""
    for name, fit in fits.items():
        if not fit.trusted:
            yield name, fit.reason or "no reason given"


def _cost(campaign: Campaign) -> str:
    costs = costs_of(campaign)
    labels = f"{costs.n_labels} labels"
    if costs.n_failed:
        labels += f" ({costs.n_failed} more failed)"
    references = sum(each.n_reference or 0 for each in campaign.iteration_docs)
    if references:
        labels += f" and {references} reference calculations of properties"
    if not costs.seconds:
        return f"{labels}; no engine's time yet"
    stages = ", ".join(f"{stage} {duration(s)}" for stage, s in costs.seconds.items())
    spent = f"{duration(sum(costs.seconds.values()))} of the engines' time ({stages})"
    hours = f"{number(sum(costs.core_hours.values()))} core-hours"
    if costs.reservation:
        hours += f" ({costs.reservation})"
    parts = [labels, spent, hours]
    if costs.core_seconds_per_label is not None:
        each = number(costs.core_seconds_per_label / 60)
        parts.append(f"{each} core-minutes a label")
    return "; ".join(parts)
