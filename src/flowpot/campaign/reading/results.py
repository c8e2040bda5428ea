"""Settings, costs, errors and failures, as the stages' documents state them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flowpot.campaign.reading.documents import (
    CampaignDocuments,
    iteration_of,
    read_member,
)
from flowpot.dataset.labels import PROPERTIES
from flowpot.jobs import JobName

_ENOUGH = 5  # documents of a stage, among which is one of the engine's
_RUN = ("ensemble", "timestep", "engine")
_READ = (
    *("metadata.iteration", "output.run.core_seconds", "output.runs.state"),
    *("output.runs.core_seconds", "output.state"),
)
ERRORS = ("iteration", "origin", "set", "n_frames", *PROPERTIES)
"""Columns of the table of errors."""
COLUMNS = ("iteration", "stage", "what", "reason", "folder", "job")
REMARKS = ("iteration", "kind", "text", "n_frames")
"""Columns of the table of remarks on labels."""


def settings_in(documents: CampaignDocuments) -> dict[str, Any]:
    """
    Return the settings of one label, of the last training and of one trajectory.

    Returns
    -------
    dict
        The values by names with dots: ``labelling.protocol``, ``training.lr`` ...
    """
    settings: dict[str, Any] = {}
    for output in _some(documents, "labelling", "output.input"):
        for name, value in (output.get("input") or {}).items():
            settings[f"labelling.{name}"] = value
    trained = [d for d in documents.of_stage("training") if d["output"].get("members")]
    for committee in trained[-1:]:
        member = read_member(
            documents, committee["output"]["members"][0], "backend", "hyperparameters"
        )
        settings["training.backend"] = member.get("backend")
        options = member.get("hyperparameters") or {}
        settings |= {f"training.{name}": value for name, value in options.items()}
    fields = [f"output.runs.{name}" for name in _RUN]
    for output in _some(documents, "exploration", *fields):
        for run in (output.get("runs") or [])[:1]:
            settings |= {f"exploration.{name}": run.get(name) for name in _RUN}
    for evaluation in documents.of_stage("evaluation")[-1:]:
        for name, fit in (evaluation["output"].get("calibration") or {}).items():
            settings[f"tolerance.{name}"] = fit["tolerance"]
    return settings


def e0s_in(documents: CampaignDocuments) -> dict[str, float]:
    """Return the energies of isolated atoms (eV) of the last committee, by element."""
    trained = [d for d in documents.of_stage("training") if d["output"].get("members")]
    for committee in trained[::-1]:
        first = committee["output"]["members"][0]
        return read_member(documents, first, "e0s").get("e0s") or {}
    return {}


def makers_in(documents: CampaignDocuments) -> dict[str, Any]:
    """Return the fields of the campaign's Makers, as the loop last wrote them."""
    known = {"output.makers.maker": {"$exists": True}}
    fields = ("output.makers", "completed_at")
    loops = documents.of_roles([JobName.LOOP], *fields, criteria=known)
    last = max(loops, key=lambda loop: loop["completed_at"], default=None)
    return {} if last is None else last["output"]["makers"]


def _some(
    documents: CampaignDocuments, stage: str, *fields: str
) -> Iterator[dict[str, Any]]:
    """Yield the outputs of a few jobs of a stage."""
    some = documents.find({"metadata.stage": stage}, *fields, limit=_ENOUGH)
    return ((document.get("output") or {}) for document in some)


@dataclass
class LabelCosts:
    """
    Cost of a campaign's labels, failed ones included.

    Attributes
    ----------
    n_computed
        Labels that the campaign's engine gave.
    core_seconds
        Core-seconds (wall time x processes) of the calculations of each iteration, as
        the engine states them. Iterations with a calculation that does not state them
        are left out.
    """

    n_computed: int = 0
    core_seconds: dict[int, float] = field(default_factory=dict)


def label_costs_in(documents: CampaignDocuments) -> LabelCosts:
    """Add up the core-seconds that label jobs state, of batches frame by frame."""
    costs = LabelCosts()
    unstated = set()
    for document in documents.find({"metadata.stage": "labelling"}, *_READ):
        output = document.get("output") or {}
        if "state" in output:  # of one frame
            runs = [output.get("run") or {}]
        else:
            runs = output.get("runs") or []
        iteration = iteration_of(document)
        for run in runs:
            if run.get("core_seconds") is None:
                unstated.add(iteration)
            else:
                before = costs.core_seconds.get(iteration, 0.0)
                costs.core_seconds[iteration] = before + run["core_seconds"]
    for iteration in unstated:
        costs.core_seconds.pop(iteration, None)
    for document in documents.of_stage("labelling"):
        costs.n_computed += document["output"].get("n_computed") or 0
    return costs


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


def remarks_in(documents: CampaignDocuments) -> list[dict[str, Any]]:
    """
    List what the engine says of the labels that it gave, and of how many.

    Frames that the campaign was given, and has left out, are among them.

    Returns
    -------
    list of dict
        With the keys :data:`REMARKS`, as `flowpot.labelling.document.Remark` has them.
    """
    return [
        {"iteration": iteration_of(document), **remark}
        for stage in ("inputs", "labelling")
        for document in documents.of_stage(stage)
        for remark in document["output"].get("remarks") or []
    ]


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
