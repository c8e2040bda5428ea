"""Where a frame comes from: its parents, the trajectory, the model that drove it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowpot.campaign.reading.documents import (
    CampaignDocuments,
    iteration_of,
    read_member,
)
from flowpot.campaign.reading.labels import Label, find_labels

_RUN = (
    *("trajectory", "parent", "formula", "ensemble", "temperature", "pressure"),
    *("timestep", "seed", "member", "engine", "n_steps", "state", "reason", "folder"),
)
_MODEL = ("backend", "seed", "metrics", "n_frames", "model")


@dataclass(frozen=True)
class Provenance:
    """
    The history of a frame.

    Attributes
    ----------
    frame
        The frame and its label, as :meth:`Campaign.labels` describes them.
    ancestors
        The same of its parent, of the parent's parent, and so on to an input structure;
        only ``fingerprint`` for a parent without a label.
    trajectory
        Conditions (K, kbar, fs), seed, folder and job of the molecular dynamics that
        the frame was sampled from; None where it does not come from any.
    model
        Backend, seed, hash, iteration and job of the potential that drove that
        trajectory; None where there is no trajectory.
    """

    frame: Label
    ancestors: list[Label]
    trajectory: dict[str, Any] | None
    model: dict[str, Any] | None


def trace(documents: CampaignDocuments, fingerprint: str) -> Provenance:
    """
    Trace a labelled frame back.

    Raises
    ------
    LookupError
        If the campaign has not labelled such a frame.
    """
    frame = _label(documents, fingerprint)
    if frame is None:
        raise LookupError(
            f"the campaign has labelled no frame with the fingerprint {fingerprint!r}"
        )
    run = _trajectory(documents, frame)
    return Provenance(
        frame=frame,
        ancestors=_ancestors(documents, frame),
        trajectory=run,
        model=None if run is None else _model(documents, run),
    )


def _label(documents: CampaignDocuments, fingerprint: str) -> Label | None:
    return next(iter(find_labels(documents, {"fingerprint": fingerprint})), None)


def _ancestors(documents: CampaignDocuments, frame: Label) -> list[Label]:
    """Follow ``parent`` until a frame has none, or is its own, as inputs are."""
    chain: list[Label] = []
    seen = {frame["fingerprint"]}
    while (parent := frame.get("parent")) and parent not in seen:
        seen.add(parent)
        frame = _label(documents, parent) or {"fingerprint": parent}
        chain.append(frame)
    return chain


def _trajectory(documents: CampaignDocuments, frame: Label) -> dict[str, Any] | None:
    """Find the frame's trajectory among those of the iteration that explored it."""
    if not frame.get("trajectory"):
        return None
    iteration = int(frame["iteration"])
    wanted = {"metadata.stage": "exploration", "metadata.iteration": iteration}
    fields = [f"{place}.{name}" for place in ("output", "output.runs") for name in _RUN]
    for document in documents.find(wanted, "name", *fields):
        output = document.get("output") or {}
        for run in output.get("runs") or [output]:
            if run.get("trajectory") == frame["trajectory"]:
                return {**run, "iteration": iteration, "job": document["uuid"]}
    return None


def _model(
    documents: CampaignDocuments, run: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Find the member that drove a run, in the last committee before it."""
    before = [
        document
        for document in documents.of_stage("training")
        if iteration_of(document) <= run["iteration"]
    ]
    given = [d["output"].get("committee") for d in documents.of_stage("inputs")]
    committee = before[-1]["output"] if before else next(filter(None, given), None)
    if committee is None:
        return None
    model = read_member(documents, committee["members"][run["member"]], *_MODEL)
    file = model.pop("model", None) or {}
    return {
        "member": run["member"],
        "iteration": iteration_of(before[-1]) if before else None,
        "committee": before[-1]["uuid"] if before else None,
        "sha256": file.get("sha256"),
        **model,
    }
