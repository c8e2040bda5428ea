"""Many label jobs are collected in parts, so that no job refers to all of them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jobflow import Job
from numpy.typing import NDArray

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import package_versions, reason_of
from flowpot.labelling.collection import Collected, collect_outputs, split_counts
from flowpot.labelling.document import LabelFailure, LabellingDoc, LabelPartDoc
from flowpot.labelling.labels import FrameLabel, with_frame_labels
from flowpot.labelling.noise import MeasuredNoise
from flowpot.labelling.planning import LabellingPlan
from flowpot.settings import get_settings

LABELS_PER_PART = 16
"""Label jobs that one job collects. The references to each take about 2.7 kB."""

PARTS_PER_PART = 64
"""Parts that one job collects. The references to each take about 1 kB."""

_ATOMS_PER_PART = 1024  # about 45 kB
_REFUSED_PER_PART = 128  # about 40 kB
MOST_SHOWN = 200
"""Failures that a LabellingDoc lists; where there are more, an Artifact has all."""

_COMPUTED = "label_computed"


def parts_of(
    plan: LabellingPlan, outputs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """
    Divide a stage into parts, each for a job that collects it.

    Parameters
    ----------
    plan
        Plan of the stage.
    outputs
        References to the documents of the label jobs: see
        :func:`flowpot.labelling.collection.collect_outputs`.

    Returns
    -------
    list of dict
        For each part its ``frames``, the ``outputs`` of its label jobs, and
        ``failures``, the records of those of its frames that were not sent.
    """
    frames = plan.frames
    batches = [output["frames"] for output in outputs]
    failures = {failure.fingerprint: failure for failure in plan.failures}
    parts = []
    for jobs, rows in divide(batches, weights_of(frames, plan.failures)):
        inside = frames[rows]
        parts.append(
            {
                "frames": inside.to_artifact("frames.h5"),
                "outputs": [
                    {**output, "frames": [i - rows.start for i in output["frames"]]}
                    for output in outputs[jobs]
                ],
                "failures": [
                    failures[name] for name in inside.fingerprints if name in failures
                ],
            }
        )
    return parts


def parts_of_parts(collectors: Sequence[Job]) -> list[dict[str, Any]]:
    """
    Divide the jobs that collect parts, as `parts_of` divides label jobs.

    Parameters
    ----------
    collectors
        Jobs whose documents are LabelPartDocs.
    """
    outputs = [
        {
            "job": collector.uuid,
            **{
                name: getattr(collector.output, name)
                for name in LabelPartDoc.model_fields
            },
        }
        for collector in collectors
    ]
    return [
        {
            "frames": None,
            "outputs": list(outputs[start : start + PARTS_PER_PART]),
            "failures": [],
        }
        for start in range(0, len(outputs), PARTS_PER_PART)
    ]


def divide(
    batches: Sequence[Sequence[int]], weights: NDArray[np.float64]
) -> list[tuple[slice, slice]]:
    """
    Divide label jobs, and all frames of the stage with them, into parts.

    Parameters
    ----------
    batches
        Indices of the frames that each job labels, in increasing order.
    weights
        Share of the room in a part's document that each frame of the stage takes,
        shape (n,).

    Returns
    -------
    list of tuple of slice
        Jobs and frames of each part. All frames of a job are in one part.
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
    Return the share of the room in a part's document that each frame takes.

    Parameters
    ----------
    frames
        Frames of the stage. Their atoms count if artifacts are inline.
    failures
        Frames that were not sent to the engine.

    Returns
    -------
    ndarray
        Shape (n,); a part has room for a sum of 1.
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
    Return the document of a part of the label jobs.

    Parameters
    ----------
    frames
        Frames of the part.
    collected
        Labels and failures of its label jobs.
    failures
        Frames that were not sent to the engine.
    """
    computed = np.isin(np.arange(len(frames)), list(collected.labels))
    labelled = with_frame_labels(frames, collected.labels)
    everything = [*failures, *collected.failures]
    return LabelPartDoc(
        dataset=labelled.with_info(**{_COMPUTED: computed}).to_artifact("part.h5"),
        failed_frames=failures_to_artifact(everything),
        n_corrected=collected.n_corrected,
        remarks=collected.remarks.most_frequent(),
        seconds=collected.seconds,
        versions=collected.versions,
    )


def stage_document(
    shard: Dataset,
    collected: Collected,
    not_sent: Sequence[LabelFailure],
    measured: MeasuredNoise,
    counts: Mapping[str, int],
) -> LabellingDoc:
    """
    Return the document of a labelling stage.

    Parameters
    ----------
    shard
        The labelled frames, with their sets.
    collected
        Labels and failures of the label jobs.
    not_sent
        Frames that were not sent to the engine.
    measured
        Noise of the labels.
    counts
        Fields of the document that the plan has counted.
    """
    failures = [*not_sent, *collected.failures]
    return LabellingDoc(
        dataset=shard.to_artifact("labels.h5"),
        n_labelled=len(shard),
        n_computed=len(collected.labels),
        n_sent=len(collected.labels) + len(collected.failures),
        n_failed=len(failures),
        n_refused=Counter(one.criterion for one in failures if one.criterion),
        **shown_failures(failures),
        n_corrected=collected.n_corrected,
        remarks=collected.remarks.most_frequent(),
        splits=split_counts(shard),
        noise=measured.noise,
        n_noise=measured.n_frames,
        noise_failures=measured.failures,
        seconds=collected.seconds + measured.seconds,
        versions={**package_versions(), **collected.versions},
        **counts,
    )


def gather(
    frames: Artifact | None,
    outputs: Sequence[Mapping[str, Any]],
    convention: str | None = None,
) -> tuple[Dataset, Collected, list[LabelFailure]]:
    """
    Read the outputs of label jobs, or of the jobs that collected parts of them.

    Parameters
    ----------
    frames
        Frames of the label jobs; None where `outputs` are those of parts.
    outputs
        As :func:`flowpot.labelling.collection.collect_outputs` takes them, or the
        fields of LabelPartDocs.
    convention
        What the stress of the documents means, where their class does not say it.

    Returns
    -------
    frames
        All frames.
    collected
        Labels and failures of the engine.
    refused
        Frames of parts that were not sent to the engine.

    Raises
    ------
    LostPartError
        If the job of a part left no output.
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
        computed = np.flatnonzero(dataset.info[_COMPUTED].astype(bool)).tolist()
        for row in computed:
            collected.labels[start + row] = FrameLabel.of_frame(dataset, row)
        for failure in failures_from_artifact(part["failed_frames"]):
            is_refused = failure.stage == "geometry"
            (refused if is_refused else collected.failures).append(failure)
        collected.n_corrected += part["n_corrected"]
        collected.remarks.include(part.get("remarks") or [])  # earlier parts: none
        collected.seconds += part["seconds"]
        collected.versions.update(part["versions"])
        datasets.append(_before_labelling(dataset))
        start += len(dataset)
    return Dataset.concatenate(datasets), collected, refused


class LostPartError(RuntimeError):
    """A job that collected a part of the labels left no output."""


def shown_failures(failures: Sequence[LabelFailure]) -> dict[str, Any]:
    """Return the fields of a LabellingDoc that record its failures."""
    shown = list(failures[:MOST_SHOWN])
    more = len(failures) > len(shown)
    artifact = failures_to_artifact(failures) if more else None
    return {"failures": shown, "failed_frames": artifact}


def failures_to_artifact(failures: Sequence[LabelFailure]) -> Artifact:
    """Write failures of any number into an Artifact, as JSON."""
    content = [failure.model_dump(mode="json") for failure in failures]
    return Artifact.from_bytes("failures.json", json.dumps(content).encode())


def failures_from_artifact(artifact: Any) -> list[LabelFailure]:
    """Read failures from an Artifact, or from its dictionary."""
    content = json.loads(Artifact.from_document(artifact).read_bytes())
    return [LabelFailure.model_validate(entry) for entry in content]


def _before_labelling(dataset: Dataset) -> Dataset:
    """Remove the labels that engines computed: some of them may be refused later."""
    computed = dataset.info[_COMPUTED].astype(bool)
    energy, forces = dataset.energy.copy(), dataset.forces.copy()
    stress = dataset.stress.copy()
    energy[computed] = stress[computed] = np.nan
    forces[np.repeat(computed, dataset.n_atoms)] = np.nan
    bare = dataset.with_labels(energy=energy, forces=forces, stress=stress)
    return bare.with_info(**{_COMPUTED: None})
