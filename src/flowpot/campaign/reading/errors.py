"""Errors of a campaign's committees, by where the labelled frames come from."""

from typing import Any

from flowpot.campaign.reading.documents import CampaignDocuments, iteration_of
from flowpot.dataset.labels import PROPERTIES

ERRORS = ("iteration", "origin", "set", "n_frames", *PROPERTIES)
"""Columns of the table of errors."""


def errors_in(documents: CampaignDocuments) -> list[dict[str, Any]]:
    """
    Read the errors by origin that a campaign's trainings have reported.

    Returns
    -------
    list of dict
        One for each iteration, origin and set, with the keys of :data:`ERRORS`; a
        property without labels is missing.
    """
    trained = {
        iteration_of(document): document["output"]
        for document in documents.of_stage("training")
        if document["output"].get("metrics_by_origin")
    }
    rows = []
    for iteration, output in trained.items():
        numbers = output.get("n_frames_by_origin") or {}
        for origin, sets in output["metrics_by_origin"].items():
            for name, errors in sets.items():
                row = {
                    "iteration": iteration,
                    "origin": origin,
                    "set": name,
                    "n_frames": numbers.get(origin, {}).get(name),
                }
                rows.append(row | errors)
    return rows
