"""Many label jobs are collected in parts, so that no job refers to all of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import reason_of
from flowpot.labelling.collection import Collected, collect_outputs
from flowpot.labelling.document import LabelFailure, LabelPartDoc
from flowpot.labelling.labels import FrameLabel, with_frame_labels
from flowpot.labelling.planning import LabellingPlan
from flowpot.settings import get_settings

LABELS_PER_PART = 16
"""Label jobs that one job collects: its references take some 2.7 kB for each."""

PARTS_PER_PART = 64
"""Parts that one job collects: their references take some 1 kB for each."""

_ATOMS_PER_PART = 1024  # some 45 kB
_REFUSED_PER_PART = 128  # some 40 kB
MOST_SHOWN = 200
"""Failures in a LabellingDoc itself; all of them are in its ``failed_frames``."""

_COMPUTED = "label_computed"


def parts_of(
    plan: LabellingPlan, outputs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """
    Divide a stage into parts, each for a job that collects it.

    Parameters
    ----------
    plan
        The frames of the stage.
    outputs
        References to what the label jobs give: see `collect_outputs`.

    Returns
    -------
    list of dict
        For each part its ``frames``, the ``outputs`` of its label jobs, and the
        ``failures`` of frames that were refused before the engine.
    """
    frames = plan.frames
    batches = [output["frames"] for output in outputs]
    failures = {each.fingerprint: each for each in plan.failures}
    parts = []
    for jobs, inside in divide(batches, weights_of(frames, plan.failures)):
        own = frames[inside]
        parts.append(
            {
                "frames": own.to_artifact("frames.h5"),
                "outputs": [
                    _counted_from(inside.start, each) for each in outputs[jobs]
                ],
                "failures": [
                    failures[name] for name in own.fingerprints if name in failures
                ],
            }
        )
    return parts


def parts_of_parts(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Divide references to parts' documents, as `parts_of` does those to labels."""
    return [
        {
            "frames": None,
            "outputs": list(outputs[start : start + PARTS_PER_PART]),
            "failures": [],
        }
        for start in range(0, len(outputs), PARTS_PER_PART)
    ]


def _counted_from(start: int, output: Mapping[str, Any]) -> dict[str, Any]:
    return {**output, "frames": [index - start for index in output["frames"]]}


def divide(
    batches: Sequence[Sequence[int]], weights: NDArray[np.float64]
) -> list[tuple[slice, slice]]:
    """
    Divide label jobs, and all frames of the stage with them, into parts.

    Parameters
    ----------
    batches
        Frames that each job labels, in increasing order.
    weights
        What share of a part's document each frame of the stage may take, shape (n,).

    Returns
    -------
    list of tuple of slice
        Jobs and frames of each part. No job's frames are separated.
    """
    parts, first_job, first_frame, load = [], 0, 0, 0.0
    job, frame = 0, 0
    while frame < len(weights):
        is_next = job < len(batches) and batches[job][0] == frame
        end = batches[job][-1] + 1 if is_next else frame + 1
        weight = weights[frame:end].sum() + is_next / LABELS_PER_PART
        if load + weight > 1 and frame > first_frame:
            parts.append((slice(first_job, job), slice(first_frame, frame)))
            first_job, first_frame, load = job, frame, 0.0
        job, frame, load = job + is_next, end, load + weight
    return [*parts, (slice(first_job, job), slice(first_frame, frame))]


def weights_of(
    frames: Dataset, failures: Sequence[LabelFailure]
) -> NDArray[np.float64]:
    """
    Weigh frames by what a part's job has to hold of them.

    Parameters
    ----------
    frames
        Of the stage: their atoms count where artifacts are inline.
    failures
        Those refused before the engine.
    """
    weights = np.zeros(len(frames))
    if get_settings().ARTIFACT_ROOT is None:
        weights += frames.n_atoms / _ATOMS_PER_PART
    refused = [failure.fingerprint for failure in failures]
    return weights + np.isin(frames.fingerprints, refused) / _REFUSED_PER_PART


def part_document(
    frames: Dataset, collected: Collected, failures: Sequence[LabelFailure]
) -> LabelPartDoc:
    """
    Write down what a part of the label jobs amounts to.

    Parameters
    ----------
    frames
        The part's frames.
    collected
        What their engines gave.
    failures
        Those refused before the engine.
    """
    computed = np.isin(np.arange(len(frames)), list(collected.labels))
    labelled = with_frame_labels(frames, collected.labels)
    everything = [*failures, *collected.failures]
    return LabelPartDoc(
        dataset=labelled.with_info(**{_COMPUTED: computed}).to_artifact("part.h5"),
        failed_frames=failures_to_artifact(everything),
        n_corrected=collected.n_corrected,
        seconds=collected.seconds,
        versions=collected.versions,
    )


def gather(
    frames: Artifact | None,
    outputs: Sequence[Mapping[str, Any]],
    convention: str | None = None,
) -> tuple[Dataset, Collected, list[LabelFailure]]:
    """
    Read what label jobs, or parts of them, have given.

    Parameters
    ----------
    frames
        Of the label jobs; None where `outputs` are those of parts.
    outputs
        As for `collect_outputs`, or fields of LabelPartDoc.
    convention
        As for `collect_outputs`.

    Returns
    -------
    tuple
        All frames; what their engines gave; those that parts refused before it.

    Raises
    ------
    LostPartError
        Where a part was killed.
    """
    if frames is not None:
        everything = Dataset.load(frames)
        return everything, collect_outputs(everything, outputs, convention), []
    datasets, collected = [], Collected()
    refused: list[LabelFailure] = []
    start = 0
    for part in outputs:
        if part["dataset"] is None:
            why = part["failure"] or reason_of(part["job"]) or f"see job {part['job']}"
            raise LostPartError(
                f"the job that collects a part of the labels gave nothing ({why}): "
                "label the stage again; with FLOWPOT_LABEL_CACHE no label is computed "
                "twice"
            )
        dataset = Dataset.load(part["dataset"])
        collected.labels.update(_labels_of(dataset, start))
        for failure in failures_from_artifact(part["failed_frames"]):
            is_refused = failure.stage == "geometry"
            (refused if is_refused else collected.failures).append(failure)
        collected.n_corrected += part["n_corrected"]
        collected.seconds += part["seconds"]
        collected.versions.update(part["versions"])
        datasets.append(_before_labelling(dataset))
        start += len(dataset)
    return Dataset.concatenate(datasets), collected, refused


class LostPartError(RuntimeError):
    """A job that collected a part of the labels was killed."""


def shown_failures(failures: Sequence[LabelFailure]) -> dict[str, Any]:
    """Return the fields of a LabellingDoc that tell of failures of any number."""
    held = list(failures[:MOST_SHOWN])
    beyond = len(failures) > len(held)
    artifact = failures_to_artifact(failures) if beyond else None
    return {"failures": held, "failed_frames": artifact}


def failures_to_artifact(failures: Sequence[LabelFailure]) -> Artifact:
    """Keep failures of any number beside a document."""
    content = [each.model_dump(mode="json") for each in failures]
    return Artifact.from_bytes("failures.json", json.dumps(content).encode())


def failures_from_artifact(artifact: Any) -> list[LabelFailure]:
    """Read failures back; an Artifact's dictionary will do."""
    content = json.loads(Artifact.from_document(artifact).read_bytes())
    return [LabelFailure.model_validate(each) for each in content]


def _before_labelling(dataset: Dataset) -> Dataset:
    """Take away what engines computed: whoever reads the labels may refuse some."""
    computed = dataset.info[_COMPUTED].astype(bool)
    energy, forces = dataset.energy.copy(), dataset.forces.copy()
    stress = dataset.stress.copy()
    energy[computed] = stress[computed] = np.nan
    forces[np.repeat(computed, dataset.n_atoms)] = np.nan
    bare = dataset.with_labels(energy=energy, forces=forces, stress=stress)
    return bare.with_info(**{_COMPUTED: None})


def _labels_of(dataset: Dataset, start: int) -> dict[int, FrameLabel]:
    """Return the labels that engines computed, by the frame's number from `start`."""
    labels = {}
    for row in np.flatnonzero(dataset.info[_COMPUTED].astype(bool)):
        atoms = slice(dataset.offsets[row], dataset.offsets[row + 1])
        labels[start + int(row)] = FrameLabel(
            float(dataset.energy[row]), dataset.forces[atoms], dataset.stress[row]
        )
    return labels
