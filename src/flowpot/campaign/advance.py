"""The state of a campaign after an iteration."""

from dataclasses import replace

from flowpot.campaign.convergence import shortfall_of
from flowpot.campaign.document import IterationDoc
from flowpot.campaign.state import CampaignState, Changes
from flowpot.jobs import Pointer


def advanced(
    state: CampaignState, changes: Changes, last: IterationDoc
) -> CampaignState:
    """
    Return the state after an iteration.

    Parameters
    ----------
    state
        The state before.
    changes
        What the stages change in it.
    last
        The iteration's numbers.
    """
    before, state = state, state.after(changes, last.failed_stage)
    if last.failed_stage is None and last.n_chosen == 0:
        # Frames beyond the budget stay pending for a continued campaign; labelled
        # ones among them are not labelled again.
        pending = before.pending if last.n_postponed else None
        state = replace(state, pending=pending)
    return counted(state, last)


def after_validation(
    state: CampaignState, last: IterationDoc, *, goes_on: bool
) -> CampaignState:
    """
    Return the state in which what the properties ask for is to be labelled.

    Parameters
    ----------
    state
        The state after the iteration.
    last
        The iteration; without properties the state stays as it is.
    goes_on
        Whether the campaign does.
    """
    if last.n_distorted and last.validation_job is not None:
        frames = Pointer(last.validation_job, (("a", "dataset"),))
        state = replace(state, pending=frames)
    if last.properties is not None and goes_on:
        state = replace(state, shortfalls=[*state.shortfalls, shortfall_of(last)])
    return state


def counted(state: CampaignState, last: IterationDoc) -> CampaignState:
    """Return the state with the numbers of labels after an iteration."""
    return replace(state, n_dataset=last.n_dataset, n_sent=last.n_sent_total)
