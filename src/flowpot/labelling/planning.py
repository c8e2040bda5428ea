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

_FIRST = ("isolated_atom", "input")  # kinds that max_labels never leaves out


@dataclass(frozen=True)
class LabellingPlan:
    """
    Frames of a labelling stage, and which of them are to be labelled.

    Parameters
    ----------
    frames
        The frames of the stage, each once, in the order given.
    to_label
        Indices of the frames that the engine labels.
    failures
        Frames that must not be sent to the engine.
    n_duplicates
        Number of frames left out because this shard or earlier ones have them already.
    n_postponed
        Number of frames beyond ``max_labels``.
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
        Frames with or without labels. Frames that have labels keep them.
    existing
        Labelled frames of earlier iterations, which are not labelled again.
    problem
        Returns why a frame must not be sent to an engine, None if it may be.
    max_labels
        Largest number of frames to send; None for no limit. Isolated atoms and input
        structures are chosen first, then what an evaluation has drawn (an audit counts
        a frame that is left out as a failed label), the others at random.
    seed
        Seed of the random choice.
    """
    known = np.isin(dataset.fingerprints, existing.labelled.fingerprints)
    frames = dataset[~known].deduplicate()
    n_duplicates = len(dataset) - len(frames)

    unlabelled = np.flatnonzero(~frames.is_labelled)
    problems = {int(index): problem(frames[int(index)]) for index in unlabelled}
    sound = np.array([i for i, fault in problems.items() if fault is None], dtype=int)
    to_label = sound
    if max_labels is not None and len(sound) > max_labels:
        kinds = frames.column("config_type")
        first = np.isin(kinds[sound].astype(str), _FIRST)
        chosen = frames.column("selection")[sound]
        drawn = np.array([kind is not None for kind in chosen])
        random = derive_rng(seed, "labels").random(len(sound))
        order = np.lexsort((random, ~drawn, ~first))
        to_label = np.sort(sound[order[:max_labels]])
    failures = [
        failure(
            frames,
            index,
            reason=f"{fault.criterion}: {fault.reason}",
            stage="geometry",
            criterion=fault.criterion,
        )
        for index, fault in problems.items()
        if fault is not None
    ]
    return LabellingPlan(
        frames, to_label, failures, n_duplicates, len(sound) - len(to_label)
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
    """Return the record of a frame without a label."""
    kinds = frames.info.get("config_type")
    return LabelFailure(
        fingerprint=str(frames.fingerprints[index]),
        reason=reason,
        stage=stage,
        folder=folder,
        criterion=criterion,
        config_type=None if kinds is None else kinds[index],
    )
