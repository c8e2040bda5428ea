"""When a campaign ends, and why."""

from dataclasses import dataclass, replace

from monty.json import MSONable

from flowpot.campaign.document import IterationDoc, StopKind
from flowpot.campaign.record import Results, first_failure
from flowpot.dataset.labels import UNITS
from flowpot.documents import reason_of

_LONGEST_ERROR = 600  # characters of an error that a stop reason repeats
_NO_WORDS = (
    "its job was killed, or what it needed never came; see the log and the folder of "
    "its job"
)


@dataclass(frozen=True)
class Stop(MSONable):
    """
    A decision to end.

    Attributes
    ----------
    kind
        The reason in a word, for programs.
    reason
        The reason for people: the verdict in a sentence of at most 80 characters, and
        then the details.
    """

    kind: StopKind
    reason: str

    def with_details(self, *details: str) -> "Stop":
        """
        Return the decision with more details.

        Examples
        --------
        >>> Stop("failed", "failed: no result").with_details("no disk", "no fun").reason
        'failed: no result. No disk; no fun'
        """
        words = "; ".join(filter(None, details))
        if not words:
            return self
        if ". " in self.reason:
            return replace(self, reason=f"{self.reason}; {words}")
        return replace(self, reason=f"{self.reason}. {words[0].upper()}{words[1:]}")


@dataclass(frozen=True)
class Limits:
    """
    What ends a campaign.

    Attributes
    ----------
    max_iterations
        Most iterations of the loop.
    max_labels
        Most frames that are sent to the labelling engine; None for no limit.
    max_bad_share, max_over_share
        The campaign has converged when the audit's 95 % upper limit of the share of
        bad frames among the accepted ones is at most the first, and the share of the
        explored frames that are flagged at most the second.
    stop_at_none_over
        Whether it is enough that no frame is flagged, the criterion of the
        AiiDA-TrainsPot paper.
    needs_closing
        Whether only the frames of a closing audit can tell that it has converged. False
        where ``closing_audit`` is 0: labels of a pilot are enough, to which the flags
        were fitted, too.
    """

    max_iterations: int
    max_labels: int | None
    max_bad_share: float
    max_over_share: float
    stop_at_none_over: bool = False
    needs_closing: bool = True


def exhausted(n_iterations: int, n_sent: int, limits: Limits) -> Stop | None:
    """Return the limit that allows no further iteration; None if there is none."""
    if limits.max_labels is not None and n_sent >= limits.max_labels:
        return Stop(
            "max_labels",
            f"max_labels: {n_sent} frames were sent to the labelling engine, "
            f"{limits.max_labels} allowed",
        )
    if n_iterations >= limits.max_iterations:
        return Stop(
            "max_iterations",
            f"max_iterations: {n_iterations} of {limits.max_iterations} iterations "
            "done",
        )
    return None


def decide(last: IterationDoc, limits: Limits) -> Stop | None:
    """
    Decide after an evaluation whether the campaign ends.

    That no frame is flagged ends nothing by itself: a committee that is blind to its
    errors flags none either. Only labels of frames that this committee accepts can
    show that what it accepts is good.
    """
    stop = _decide(last, limits)
    if stop is None:
        return None
    notes = [f"note: {warning}" for warning in last.warnings or ()]
    return stop.with_details(fresh_error_in_words(last), *notes)


def fresh_error_in_words(iteration: IterationDoc) -> str:
    """Say how wrong the committee was on frames new to it; "" if that is not known."""
    errors = iteration.fresh_error or {}
    parts = []
    for name, fresh in errors.items():
        if fresh.value is None:
            continue
        high = "any" if fresh.interval[1] is None else f"{fresh.interval[1]:.3g}"
        low = f"{fresh.interval[0]:.3g}"
        share = "" if fresh.over is None else f", {fresh.over:.0%} over tolerance"
        parts.append(f"{name} {fresh.value:.3g} {UNITS[name]} [{low}, {high}]{share}")
    if not parts:
        return ""
    of = next(iter(errors.values())).of
    return f"median error on fresh frames: {', '.join(parts)} ({of})"


def _decide(last: IterationDoc, limits: Limits) -> Stop | None:
    n_over, n_explored = last.n_over or 0, last.n_explored or 0
    if stop := _converged(last, limits):
        return stop
    if limits.stop_at_none_over and n_explored and n_over == 0:
        return Stop(
            "none_over",
            f"none_over: none of {n_explored} explored frames is flagged",
        ).with_details("whether what the committee accepts is good was not asked")
    if stop := exhausted(last.iteration, last.n_sent_total, limits):
        left = f"{n_over} of {n_explored} explored frames are still flagged"
        cut = last.n_postponed or 0
        more = f", and {cut} frames were not labelled" if cut else ""
        return stop.with_details(f"{left}{more}")
    if last.n_chosen == 0:
        return Stop(
            "nothing_left",
            "nothing_left: no explored frame is left to label",
        ).with_details(f"none is flagged, or wanted for an audit{_left_over(last)}")
    return None


def _converged(last: IterationDoc, limits: Limits) -> Stop | None:
    """
    Return the end of a campaign that its audit has shown to be good, or None.

    A closing audit counts, unless none was asked for: a pilot's frames are those that
    the flags were fitted to. Documents of before `Audit.n_closing` do not tell it.
    """
    audit, n_over, n_explored = last.audit, last.n_over or 0, last.n_explored or 0
    if audit is None or audit.upper_limit > limits.max_bad_share:
        return None
    if n_over > limits.max_over_share * n_explored:
        return None
    is_pilot = audit.n_closing == 0
    if is_pilot and limits.needs_closing:
        return None
    stop = Stop(
        "converged",
        f"converged: at most {audit.upper_limit:.1%} of the accepted frames are over "
        "tolerance",
    )
    left_out = left_out_in_words(last)
    return stop.with_details(
        f"by the {'pilot' if is_pilot else 'audit'}: of {audit.n} audited frames that "
        f"this committee had accepted {audit.n_bad} were over tolerance "
        f"({limits.max_bad_share:.0%} allowed), and {n_over} of {n_explored} explored "
        "frames are flagged",
        "no closing audit was asked for (closing_audit is 0), and the flags were "
        "fitted to these frames, too"
        if is_pilot
        else "",
        f"not audited: {left_out}" if left_out else "",
    )


def left_out_in_words(last: IterationDoc) -> str:
    """Say how many explored frames cannot be labelled, and why; "" if all can."""
    causes = (
        (last.n_wrecked, "of runs that broke (upper_factor)"),
        (last.n_insane, "with atoms too close or no finite prediction"),
        (last.n_copies, "copies of another one"),
    )
    counts = [f"{n} {why}" for n, why in causes if n]
    if not counts:
        return ""
    *most, final = counts
    return f"{', '.join(most)} and {final}" if most else final


def _left_over(last: IterationDoc) -> str:
    """Say how many explored frames were left out, and what to do."""
    counts = left_out_in_words(last)
    said = f": of {last.n_explored} there are {counts}" if counts else ""
    if last.n_wrecked or last.n_insane:
        return (
            f"{said}; explore at lower temperatures, halt runs earlier, or train for "
            "longer"
        )
    return f"{said}; explore more widely, or raise max_labels"


def stage_failure(results: Results) -> Stop | None:
    """Return the end of a campaign one of whose first jobs gave no result, or None."""
    stage, failure = first_failure(results)
    if stage is None:
        return None
    return failure_of(stage, failure, results[stage].get("job"))


def after_failure(last: IterationDoc, limits: Limits, *, repeats: bool) -> Stop | None:
    """
    Decide after an iteration of which a stage failed; None: the next one repeats it.

    Parameters
    ----------
    last
        The iteration. A stage that left no error was killed, or its disk was full,
        which says nothing about its task: only such a stage is repeated.
    limits
        Limits of the campaign, which have to allow another iteration.
    repeats
        Whether this iteration repeated a stage already: there is no third try.
    """
    was_lost = last.failure is None
    within = exhausted(last.iteration, last.n_sent_total, limits) is None
    if was_lost and within and not repeats:
        return None
    return failure_of(str(last.failed_stage), last.failure, last.failed_job)


def failure_of(stage: str, failure: str | None, job: str | None = None) -> Stop:
    """
    Return the end of a campaign by a failed stage, with its error in one line.

    Parameters
    ----------
    stage
        Name of the stage.
    failure
        The error that its output has; None for none.
    job
        Uuid of its job.
    """
    failure = failure or reason_of(job)
    why = " ".join(failure.split()) if failure else _NO_WORDS
    if len(why) > _LONGEST_ERROR:
        why = f"{why[:_LONGEST_ERROR]} ..."
    stop = Stop("failed", f"failed: the {stage} stage ended without a result")
    return replace(stop, reason=f"{stop.reason}. {why}")
