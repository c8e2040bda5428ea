"""The noise of labels: how far they move when converged further."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jobflow import Flow, Job
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.labelling.collection import collect_outputs
from flowpot.labelling.document import LabelFailure
from flowpot.labelling.label_jobs import LabelJobs
from flowpot.labelling.labels import FrameLabel
from flowpot.labelling.planning import LabellingPlan, failure
from flowpot.labelling.static_makers import refined_copy
from flowpot.randomness import derive_rng


@dataclass
class MeasuredNoise:
    """
    Differences of labels from those of the refined Maker.

    Parameters
    ----------
    noise
        For each property the root mean square difference: see :func:`label_noise`.
        None if no frame has both labels.
    n_frames
        Number of frames that have both labels.
    failures
        Frames that were drawn, and lack one of the two labels.
    seconds
        Wall time of the refined calculations, where they report it (s).
    """

    noise: dict[str, float] | None = None
    n_frames: int = 0
    failures: list[LabelFailure] = field(default_factory=list)
    seconds: float = 0.0


def label_again(
    label_jobs: LabelJobs, plan: LabellingPlan, n_frames: int, seed: int
) -> tuple[list[Job | Flow], dict[str, Any]]:
    """
    Make the jobs that label some frames of a plan again, by the refined Maker.

    Parameters
    ----------
    label_jobs
        What makes the label jobs of the stage.
    plan
        Plan of the stage. Frames that it sends to the engine are drawn, no isolated
        atoms.
    n_frames
        Number of frames to draw; 0 for none.
    seed
        Seed of the random draw.

    Returns
    -------
    jobs
        The jobs; none if there is no frame to draw.
    arguments
        For the job that collects the labels: ``refined``, which holds the ``frames``
        drawn and ``outputs``, references to the documents of the jobs. Empty without
        jobs.
    """
    rows = draw(plan.frames, plan.to_label, n_frames, seed)
    if len(rows) == 0:
        return [], {}
    frames = plan.frames[rows]
    jobs, outputs = _refined(label_jobs).make(frames, range(len(frames)))
    artifact = frames.to_artifact("refined.h5")
    return jobs, {"refined": {"frames": artifact, "outputs": outputs}}


def lost_again(
    label_jobs: LabelJobs, refined: Mapping[str, Any] | None
) -> tuple[list[Job | Flow], dict[str, Any]]:
    """Make new jobs in place of lost ones, and return what :func:`label_again` does."""
    if not refined:
        return [], {}
    frames = Dataset.load(refined["frames"])
    jobs, outputs = _refined(label_jobs).make_lost(frames, refined["outputs"])
    return jobs, {"refined": {"frames": refined["frames"], "outputs": outputs}}


def draw(
    frames: Dataset, to_label: NDArray[np.int64], n_frames: int, seed: int
) -> NDArray[np.int64]:
    """
    Draw frames at random among those to be labelled, none of them an isolated atom.

    Returns
    -------
    ndarray
        Their indices in increasing order; all where there are fewer than `n_frames`.
    """
    rows = to_label[~frames.is_isolated_atom[to_label]]
    if len(rows) > n_frames:
        rows = derive_rng(seed, "noise").choice(rows, n_frames, replace=False)
    return np.sort(rows)


def measured_noise(
    refined: Mapping[str, Any] | None, shard: Dataset, convention: str | None
) -> MeasuredNoise:
    """
    Compare refined labels with the labels of the same frames in a shard.

    Parameters
    ----------
    refined
        The argument that :func:`label_again` returned, references resolved; None if
        the noise is not measured.
    shard
        The labelled frames of the stage.
    convention
        What the stress of the documents means, where their class does not say it.
    """
    if not refined:
        return MeasuredNoise()
    frames = Dataset.load(refined["frames"])
    collected = collect_outputs(frames, refined["outputs"], convention)
    failures = collected.failures
    rows = {name: row for row, name in enumerate(shard.fingerprints.tolist())}
    pairs = []
    for index, label in collected.labels.items():
        row = rows.get(str(frames.fingerprints[index]))
        if row is None:
            why = "it has a refined label, but no label to compare that with"
            failures.append(failure(frames, index, reason=why, stage="engine"))
        else:
            pairs.append((FrameLabel.of_frame(shard, row), label))
    noise = label_noise(pairs) if pairs else None
    return MeasuredNoise(noise, len(pairs), failures, collected.seconds)


def label_noise(pairs: Sequence[tuple[FrameLabel, FrameLabel]]) -> dict[str, float]:
    """
    Return root mean square differences between labels and refined labels.

    Parameters
    ----------
    pairs
        For each frame its label and its refined label; at least one pair.

    Returns
    -------
    dict
        ``energy`` (eV/atom, over frames), ``forces`` (eV/A, over the components of all
        atoms) and ``stress`` (eV/A^3, over components; left out if no frame has one).
        A shift that is common to all frames is not removed.
    """
    differences: dict[str, Any] = {
        "energy": [(b.energy - a.energy) / len(a.forces) for a, b in pairs],
        "forces": np.concatenate([(b.forces - a.forces).ravel() for a, b in pairs]),
        "stress": np.concatenate([(b.stress - a.stress).ravel() for a, b in pairs]),
    }
    noise = {}
    for name, values in differences.items():
        finite = np.asarray(values)[np.isfinite(values)]
        if len(finite):
            noise[name] = float(np.sqrt(np.mean(finite**2)))
    return noise


def _refined(label_jobs: LabelJobs) -> LabelJobs:
    """Return what makes refined jobs; who looks for labels does not find them."""
    maker = refined_copy(label_jobs.static_maker)
    return replace(label_jobs, static_maker=maker, records="refined_frames")
