"""What came of a campaign, in words: is it good, and what to do next."""

from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.reading import Campaign
from flowpot.campaign.stopping import fresh_error_in_words

Answers = dict[str, str]

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


def verdict(campaign: Campaign) -> Answers:
    """
    Answer what everybody asks of a campaign that has ended.

    Parameters
    ----------
    campaign
        Finished.

    Returns
    -------
    dict
        Whether the potential is good, whether that can be trusted, what it cost, and
        what to do next.
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
    parts = ", ".join(f"{stage} {_time(s)}" for stage, s in by_stage.items())
    total = _time(sum(by_stage.values()))
    return f"{labels} labels; {total} of the engines' time ({parts})"


def _time(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < 2 * minute:
        return f"{seconds:.0f} s"
    if seconds < 2 * hour:
        return f"{seconds / minute:.0f} min"
    return f"{seconds / hour:.1f} h"
