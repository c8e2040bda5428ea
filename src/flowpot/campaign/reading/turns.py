"""What each iteration came to, from the documents of its stages."""

from collections.abc import Iterable, Mapping
from typing import Any

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading.documents import COLLECTORS, iteration_of

_OWN = {"iteration", "n_dataset", "seconds"}  # not a stage's to say


def turns_of(stages: Iterable[Mapping[str, Any]]) -> list[IterationDoc]:
    """
    Put the stages' numbers together, an IterationDoc each turn.

    For a campaign that runs: its last turn has what there is so far.

    Parameters
    ----------
    stages
        Documents of the stages, in the order in which they came.
    """
    by_turn: dict[int, dict[str, Any]] = {}
    for document in stages:
        if number := iteration_of(document):
            fields = by_turn.setdefault(number, {"seconds": {}})
            _take_in(fields, document["output"], COLLECTORS[document["name"]])
    turns: list[IterationDoc] = []
    n_dataset = 0
    for number, fields in sorted(by_turn.items()):
        n_dataset += fields.get("n_labelled") or 0
        turns.append(IterationDoc(iteration=number, n_dataset=n_dataset, **fields))
    return turns


def _take_in(fields: dict[str, Any], output: Mapping[str, Any], stage: str) -> None:
    """Take what an IterationDoc reports from a stage's output."""
    seconds = output.get("md_seconds" if stage == "exploration" else "seconds")
    if seconds is None:  # the stage has failed, or has been replaced
        return
    fields["seconds"][stage] = fields["seconds"].get(stage, 0.0) + seconds
    known = IterationDoc.model_fields.keys() - _OWN
    fields.update({name: output[name] for name in known if name in output})
