"""Which frames an engine has to label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.labelling.document import FailureStage, LabelFailure
from flowpot.labelling.frames import GeometryProblem
from flowpot.randomness import derive_rng

_FIRST = ("isolated_atom", "input")  # what max_labels never leaves out


@dataclass(frozen=True)
class LabellingPlan:
    """
    What a labelling stage is going to do.

    Parameters
    ----------
    frames
        The frames of the stage, each once, in the order given.
    to_label
        Indices of those that the engine labels.
    failures
        Those that no engine should start on.
    n_duplicates
        Frames dropped because earlier shards, or this one, have them already.
    n_postponed
        Frames beyond ``max_labels``.
    """

    frames: Dataset
    to_label: NDArray[np.int64]
    failures: list[LabelFailure]
    n_duplicates: int
    n_postponed: int


def plan_labels(
    dataset: Dataset,
    existing: Dataset,
    problem: Callable[[Atoms], GeometryProblem | None],
    *,
    max_labels: int | None = None,
    seed: int = 0,
) -> LabellingPlan:
    """
    Decide which frames of a dataset an engine labels.

    Parameters
    ----------
    dataset
        Frames with or without labels. Those that have them pass through.
    existing
        Labelled frames of earlier iterations: what is in them is not done again.
    problem
        Says why a frame must not reach an engine, or None.
    max_labels
        Most frames to send. Isolated atoms and inputs go first, the others are drawn
        at random.
    seed
        Seed of the draw.
    """
    known = np.isin(dataset.fingerprints, existing.labelled.fingerprints)
    frames = dataset[~known].deduplicate()
    n_duplicates = len(dataset) - len(frames)

    wanted = np.flatnonzero(~frames.is_labelled)
    problems = {int(index): problem(frames[int(index)]) for index in wanted}
    sane = np.array([i for i, found in problems.items() if found is None], dtype=int)
    to_label = _limited(frames, sane, max_labels, seed)
    failures = [
        failure(
            frames,
            index,
            reason=f"{found.criterion}: {found.reason}",
            stage="geometry",
            criterion=found.criterion,
        )
        for index, found in problems.items()
        if found is not None
    ]
    return LabellingPlan(
        frames, to_label, failures, n_duplicates, len(sane) - len(to_label)
    )


def failure(
    frames: Dataset,
    index: int,
    *,
    reason: str,
    stage: FailureStage,
    folder: str | None = None,
    criterion: str | None = None,
) -> LabelFailure:
    """Record that a frame has no label."""
    kinds = frames.info.get("config_type")
    return LabelFailure(
        fingerprint=str(frames.fingerprints[index]),
        reason=reason,
        stage=stage,
        folder=folder,
        criterion=criterion,
        config_type=None if kinds is None else kinds[index],
    )


def _limited(
    frames: Dataset, indices: NDArray[np.int64], limit: int | None, seed: int
) -> NDArray[np.int64]:
    """Keep at most so many frames: the indispensable, then a random draw."""
    if limit is None or len(indices) <= limit:
        return indices
    kinds = frames.info.get("config_type", np.full(len(frames), None, dtype=object))
    rank = np.array([0 if kinds[index] in _FIRST else 1 for index in indices])
    order = np.lexsort((derive_rng(seed, "labels").random(len(indices)), rank))
    return np.sort(indices[order[:limit]])
