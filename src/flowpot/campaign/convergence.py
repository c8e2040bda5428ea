"""What properties make of a campaign that would end as converged."""

from collections.abc import Sequence

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.stopping import Limits, Stop, exhausted
from flowpot.properties.standing import PropertyStanding

_CLAIMS = ("converged", "none_over")
_LONGEST = 65  # characters: the first sentence of a stop reason has at most 80
_TRIES = 2
"""Times that the frames of a property are labelled before it has to be known better."""


def is_claim(stop: Stop | None) -> bool:
    """Return whether a campaign would end because its committee is good."""
    return stop is not None and stop.kind in _CLAIMS


def decide_by_properties(
    last: IterationDoc,
    stop: Stop,
    limits: Limits,
    shortfalls: Sequence[dict[str, float]],
    *,
    can_label: bool,
) -> Stop | None:
    """
    Decide after a validation whether the campaign ends.

    Parameters
    ----------
    last
        The iteration, with its properties.
    stop
        How it would end without them.
    limits
        Limits of the campaign.
    shortfalls
        Those of earlier validations: see :class:`CampaignState`.
    can_label
        Whether the campaign has a labelling stage.

    Returns
    -------
    Stop or None
        None: the next iteration labels the distorted cells of what is not known well
        enough. There is none where no label would help: nothing was calculated, or a
        property was not known better after its cells had been labelled twice.
    """
    found = last.properties or []
    lacking = [each for each in found if not each.is_within]
    if not lacking:
        return stop.with_details(*map(str, found))
    details = [*map(str, lacking), *(last.validation_notes or ())]
    details.append(f"without properties it would have ended as {stop.reason}")
    end = exhausted(last.iteration, last.n_sent_total, limits)
    lacks_labels = end is not None and end.kind == "max_labels"
    hopeless = _hopeless(last, lacking, shortfalls, can_label=can_label)
    if hopeless and not (lacks_labels and any(map(_is_unaudited, lacking))):
        verdict = f"not converged: {lacking_in_words(found)}"
        return Stop("not_converged", verdict).with_details(hopeless, *details)
    details[0] = f"not converged: {details[0]}"
    return None if end is None else end.with_details(*details)


def lacking_in_words(properties: Sequence[PropertyStanding]) -> str:
    """Say in a few words which properties are not known well enough; "" if all are."""
    lacking = [each for each in properties if not each.is_within]
    if not lacking:
        return ""
    more = f", and {len(lacking) - 1} more" if lacking[1:] else ""
    said = f"{lacking[0].brief}{more}"
    if len(said) > _LONGEST:
        return f"{len(lacking)} of {len(properties)} properties not known well enough"
    return said


def shortfall_of(last: IterationDoc) -> dict[str, float]:
    """Return by how many tolerances the quantities of an iteration fall short."""
    return {
        _key(each): each.excess
        for each in last.properties or []
        if each.is_learnable and each.excess is not None
    }


def _hopeless(
    last: IterationDoc,
    lacking: Sequence[PropertyStanding],
    shortfalls: Sequence[dict[str, float]],
    *,
    can_label: bool,
) -> str:
    """Say why labels of the distorted cells would not help; "" if they may."""
    if not can_label:
        return "the campaign has no stage to label the cells"
    if not any(each.is_learnable for each in lacking):
        return "no label would tell more"
    if not last.n_distorted:
        return "there are no cells to be labelled"
    before = shortfalls[-_TRIES:]
    if len(before) < _TRIES:
        return ""
    stuck = [
        each
        for each in lacking
        if each.excess is not None
        and all(_key(each) in earlier for earlier in before)
        and each.excess >= before[0][_key(each)]
    ]
    if not stuck:
        return ""
    names = ", ".join(each.title for each in stuck)
    return (
        f"{names} did not get better although the cells were labelled twice: train for "
        "longer or with a larger model, or allow for more"
    )


def _is_unaudited(standing: PropertyStanding) -> bool:
    return standing.standing == "unaudited"


def _key(standing: PropertyStanding) -> str:
    return f"{standing.name} of {standing.crystal}"
