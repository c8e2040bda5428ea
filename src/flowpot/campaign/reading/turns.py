"""What each iteration came to."""

from collections.abc import Iterable, Mapping
from typing import Any

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading.documents import (
    COLLECTORS,
    CampaignDocuments,
    iteration_of,
)

_OWN = {"iteration", "n_dataset", "n_sent_total", "seconds", "failure"}


def turns_of(documents: CampaignDocuments) -> list[IterationDoc]:
    """
    Read the records of the finished iterations, and begin that of the present one.

    Returns
    -------
    list of IterationDoc
        In order; the last has what there is so far.
    """
    records = documents.find({"name": "record iteration"}, "output")
    turns = [IterationDoc.model_validate(each["output"]) for each in records]
    turns.sort(key=lambda turn: turn.iteration)
    recorded = {turn.iteration for turn in turns}
    open_stages = [
        document
        for document in documents.stages
        if iteration_of(document) and iteration_of(document) not in recorded
    ]
    if open_stages:
        before = turns[-1] if turns else IterationDoc(iteration=0)
        turns.append(_begin(open_stages, before))
    return turns


def _begin(stages: Iterable[Mapping[str, Any]], before: IterationDoc) -> IterationDoc:
    """Put together what the stages of an iteration have said by now."""
    fields: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    known = IterationDoc.model_fields.keys() - _OWN
    number = 0
    for document in stages:
        stage, output = COLLECTORS[document["name"]], document["output"]
        number = iteration_of(document)
        taken = output.get("md_seconds" if stage == "exploration" else "seconds")
        if taken is not None:
            seconds[stage] = seconds.get(stage, 0.0) + taken
            fields |= {name: output[name] for name in known if name in output}
    return IterationDoc(
        iteration=number,
        n_dataset=before.n_dataset + (fields.get("n_labelled") or 0),
        n_sent_total=before.n_sent_total + (fields.get("n_sent") or 0),
        seconds=seconds,
        **fields,
    )
