"""What each iteration came to."""

from collections.abc import Iterable, Mapping
from typing import Any

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.iteration import REPORTED
from flowpot.campaign.reading.documents import (
    COLLECTORS,
    CampaignDocuments,
    iteration_of,
)
from flowpot.campaign.record import summarise


def turns_of(documents: CampaignDocuments) -> list[IterationDoc]:
    """
    Read the records of the finished iterations, and begin that of the present one.

    Returns
    -------
    list of IterationDoc
        In order; the last has what there is so far.
    """
    if documents.end is not None:
        finished = documents.end["output"]["iterations"]
        return [IterationDoc.model_validate(each) for each in finished]
    records = sorted(documents.records, key=lambda each: each["completed_at"])
    # An iteration with a pilot has two: the second says all.
    last = {iteration_of(each): each["output"] for each in records}
    turns = [IterationDoc.model_validate(last[number]) for number in sorted(last)]
    begun = [d for d in documents.stages if iteration_of(d) not in {0, *last}]
    if begun:
        turns.append(_begin(begun, turns[-1] if turns else IterationDoc(iteration=0)))
    return turns


def _begin(stages: Iterable[Mapping[str, Any]], before: IterationDoc) -> IterationDoc:
    """Put together what the stages of an iteration have said by now."""
    results: dict[str, dict[str, Any]] = {}
    for document in stages:
        stage, output = COLLECTORS[document["name"]], document["output"]
        reported = REPORTED.get(stage, {})
        if output.get(reported.get("seconds")) is not None:
            said = {name: output.get(key) for name, key in reported.items()}
            results[stage] = {"job": document["uuid"], **said}
    number = before.iteration + 1
    return summarise(number, before.n_dataset, before.n_sent_total, results)
