"""When a campaign ends, and why."""

from dataclasses import dataclass

from flowpot.campaign.document import IterationDoc, StopKind


@dataclass(frozen=True)
class Stop:
    """
    A decision to end.

    Attributes
    ----------
    kind
        For programs.
    reason
        For people.
    """

    kind: StopKind
    reason: str


@dataclass(frozen=True)
class Limits:
    """
    What ends a campaign.

    Attributes
    ----------
    max_iterations
        Turns of the loop.
    max_labels
        Labelled frames; None for no limit.
    max_bad_share
        Converged when the audit's 95 % upper limit of the share of bad frames among
        the accepted ones lies under this,
    max_over_share
        and no more than this share of the explored frames is over threshold.
    """

    max_iterations: int
    max_labels: int | None
    max_bad_share: float
    max_over_share: float


def decide(last: IterationDoc, limits: Limits) -> Stop | None:
    """
    Decide after an evaluation whether the campaign ends.

    That no frame is over threshold ends nothing by itself: a committee that is blind
    to its errors flags none either. Only labels of accepted frames can show that
    what the committee accepts is good.
    """
    audit, n_over, n_explored = last.audit, last.n_over or 0, last.n_explored or 0
    if (
        audit is not None
        and audit.upper_limit <= limits.max_bad_share
        and n_over <= limits.max_over_share * n_explored
    ):
        return Stop(
            "converged",
            f"converged: of {audit.n} audited frames that the committee had accepted "
            f"{audit.n_bad} were over tolerance (share at most "
            f"{audit.upper_limit:.0%}, {limits.max_bad_share:.0%} allowed), and "
            f"{n_over} of {n_explored} explored frames are over threshold",
        )
    if limits.max_labels is not None and last.n_dataset >= limits.max_labels:
        return Stop(
            "max_labels",
            f"max_labels: {last.n_dataset} frames are labelled, {limits.max_labels} "
            "allowed",
        )
    if last.iteration >= limits.max_iterations:
        return Stop(
            "max_iterations",
            f"max_iterations: {last.iteration} of {limits.max_iterations} iterations "
            f"done; {n_over} of {n_explored} explored frames are still over threshold",
        )
    if not (last.n_selected or last.n_audit):
        return Stop(
            "nothing_left",
            "nothing_left: no explored frame is left to label, neither over threshold "
            "nor for an audit; explore more widely, or raise max_labels",
        )
    return None
