"""The few numbers and answers that people want first of a campaign."""

from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.reading import Campaign
from flowpot.campaign.stopping import fresh_error_in_words
from flowpot.dataset.sets import TEST
from flowpot.report.status import duration
from flowpot.report.table import UNITS, error_with_interval

_NEXT = {
    "converged": (
        "use it: `flowpot export` writes the models; retrain on more labels before "
        "you leave the temperatures, pressures and structures that were explored"
    ),
    "none_over": "audit it: go on without stop_at_none_over",
    "max_iterations": "raise max_iterations, and go on with `--continue`",
    "max_labels": "raise max_labels, and go on with `--continue`",
    "nothing_left": "explore more widely, and go on with `--continue`",
    "completed": "add the stage that is missing, and go on with `--continue`",
    "failed": "mend what the reason names, and run the same command again",
}
"""What to do after each kind of end."""

_LARGE = 100  # meV and up: no decimals


def verdict(campaign: Campaign) -> dict[str, str]:
    """
    Answer what everybody asks of a campaign that has ended.

    Parameters
    ----------
    campaign
        A finished campaign.

    Returns
    -------
    dict
        Questions and their answers: whether the potential is good, whether that can be
        trusted, what it cost, and what to do next.
    """
    doc = campaign.doc
    last = doc.iterations[-1] if doc.iterations else None
    return {
        "Is it good?": _good(doc, last),
        "Can it be trusted?": _trusted(last),
        "What did it cost?": _cost(doc),
        "What next?": _NEXT[doc.stop_kind],
    }


def _good(doc: CampaignDoc, last: IterationDoc | None) -> str:
    reason = doc.stop_reason.removeprefix(f"{doc.stop_kind}: ")
    if doc.stop_kind == "converged":
        return f"Yes, within the tolerances: {reason}"
    known = bool(last and fresh_error_in_words(last))
    return f"{'Not yet' if known else 'Nobody knows'}: {reason}"


def _trusted(last: IterationDoc | None) -> str:
    if last is None or not last.calibration:
        return "No: nothing was calibrated"
    fits = last.calibration
    doubtful = {name: fit.reason for name, fit in fits.items() if not fit.trusted}
    if not doubtful:
        return (
            f"Yes: the error bars of {', '.join(fits)} are calibrated on enough frames"
        )
    why = "; ".join(f"{name}: {reason}" for name, reason in doubtful.items())
    return f"Not the error bars of {why}"


def _cost(doc: CampaignDoc) -> str:
    labels = doc.iterations[-1].n_sent_total if doc.iterations else 0
    by_stage: dict[str, float] = {}
    for iteration in doc.iterations:
        for stage, seconds in iteration.seconds.items():
            by_stage[stage] = by_stage.get(stage, 0.0) + seconds
    parts = ", ".join(f"{stage} {duration(s)}" for stage, s in by_stage.items())
    total = duration(sum(by_stage.values()))
    return f"{labels} labels; {total} of the engines' time ({parts})"


def headlines(campaign: Campaign) -> list[tuple[str, str]]:
    """
    Return the few numbers that people look for first.

    Parameters
    ----------
    campaign
        Finished or running.

    Returns
    -------
    list of (str, str)
        Names of the numbers with their units, and the numbers.
    """
    iterations = campaign.iteration_docs
    numbers = [
        ("iterations", str(len(iterations))),
        ("labelled frames", str(iterations[-1].n_dataset if iterations else 0)),
    ]
    latest = iterations[::-1]
    fresh = next((each.fresh_error for each in latest if each.fresh_error), {})
    metrics = next((each.metrics for each in latest if each.metrics), {})
    test = metrics.get(TEST) or {}
    units = {name: UNITS[name] for name in ("energy", "forces")}
    for name, (unit, factor) in units.items():
        if name in fresh:
            error = error_with_interval(fresh[name], factor)
            numbers.append((f"error on fresh frames, {name} ({unit})", error))
    for name, (unit, factor) in units.items():
        if (rmse := test.get(name)) is not None:
            digits = 0 if factor * rmse >= _LARGE else 1
            numbers.append(
                (f"RMSE {name}, test ({unit})", f"{factor * rmse:.{digits}f}")
            )
    explored = [each for each in iterations if each.n_explored is not None]
    if explored:
        flagged = f"{explored[-1].n_over} of {explored[-1].n_explored}"
        numbers.append(("frames flagged", flagged))
    hours = sum(sum(each.seconds.values()) for each in iterations) / 3600
    return [*numbers, ("hours in engines", f"{hours:.2g}")]
