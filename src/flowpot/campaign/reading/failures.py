"""What failed in a campaign, and where its files are."""

from collections.abc import Iterator
from typing import Any

from flowpot.campaign.reading.documents import CampaignDocuments, iteration_of

COLUMNS = ("iteration", "stage", "what", "reason", "folder", "job")


def failures_in(documents: CampaignDocuments) -> list[dict[str, Any]]:
    """
    List the labels, trainings and trajectories that failed.

    Returns
    -------
    list of dict
        With the keys :data:`COLUMNS`: ``what`` is the fingerprint of a frame, the name
        of a trajectory, or a member of the committee. Labels of a stage that still
        runs are among them.
    """
    failures = [*_labels(documents), *_members(documents), *_trajectories(documents)]
    collected = {iteration_of(d) for d in documents.of_stage("labelling")}
    if documents.end is None and documents.present not in collected:
        failures += _open_labels(documents)
    return sorted(failures, key=lambda failure: failure["iteration"])


def _labels(documents: CampaignDocuments) -> Iterator[dict[str, Any]]:
    for document in documents.of_stage("labelling"):
        failures = document["output"].get("failures") or []
        if document["output"].get("failed_frames"):  # more than the document holds
            # Slow to import, and seldom needed.
            from flowpot.labelling.parts import failures_from_artifact  # noqa: PLC0415

            artifact = documents.read(document, "failed_frames")
            failures = [f.model_dump() for f in failures_from_artifact(artifact)]
        for failure in failures:
            yield _failure(
                document, failure["fingerprint"], failure["reason"], failure["folder"]
            )


def _open_labels(documents: CampaignDocuments) -> Iterator[dict[str, Any]]:
    """Yield failed labels that no collector has read yet."""
    wanted = {"metadata.iteration": documents.present}
    fields = ("metadata", "output.state", "output.errors", "output.dir_name")
    for document in documents.find(wanted, *fields, "output.runs"):
        output = document["output"] or {}
        single = output | {"folder": output.get("dir_name")}
        frames = document["metadata"].get("frames", [])
        for frame, run in zip(frames, output.get("runs") or [single], strict=False):
            if run.get("state") == "failed":
                reason = "; ".join(run.get("errors") or ["no reason given"])
                yield _failure(document, frame["fingerprint"], reason, run["folder"])


def _members(documents: CampaignDocuments) -> Iterator[dict[str, Any]]:
    for document in documents.of_stage("training"):
        for reason in document["output"].get("failures") or []:
            yield _failure(document, "member of the committee", reason, None)


def _trajectories(documents: CampaignDocuments) -> Iterator[dict[str, Any]]:
    for document in documents.of_stage("exploration"):
        for failure in document["output"].get("failures") or []:
            yield _failure(
                document, failure["trajectory"], failure["reason"], failure["folder"]
            )


def _failure(
    document: dict[str, Any], what: str, reason: str, folder: str | None
) -> dict[str, Any]:
    values = (
        iteration_of(document),
        document["metadata"].get("stage"),
        *(what, reason, folder, document["uuid"]),
    )
    return dict(zip(COLUMNS, values, strict=True))
