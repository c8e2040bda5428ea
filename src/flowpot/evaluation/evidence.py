"""
Frames on which a calibration may stand: labelled, and predicted without having seen.

Calibrated on all labelled frames, most of them augmented, a committee reports a true
positive rate of 0.84 on MD frames where it has 0.28. What counts are the frames that
represent those to be judged: explored ones, with the predictions from before they
were trained on.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.disagreement import disagreement, error, label_error
from flowpot.evaluation.prediction import PROPERTIES, evaluate_committee
from flowpot.potentials import Potential

EXPLORED = "md"
"""config_type of frames from molecular dynamics."""

_ENOUGH_EXPLORED = 5  # fewer explored frames than this do not stand alone


@dataclass(frozen=True)
class Evidence:
    """
    Disagreement and error of n frames.

    Attributes
    ----------
    disagreement, error
        (n,) arrays per property.
    weights
        (n,) inverse selection probabilities.
    origin
        Where the frames came from.
    """

    disagreement: Mapping[str, np.ndarray]
    error: Mapping[str, np.ndarray]
    weights: np.ndarray
    origin: str

    def __len__(self) -> int:
        return len(self.weights)

    @classmethod
    def join(cls, parts: Sequence["Evidence"], origin: str) -> "Evidence":
        """Put several pieces together under one origin."""
        return cls(
            disagreement=_join([p.disagreement for p in parts]),
            error=_join([p.error for p in parts]),
            weights=np.concatenate([p.weights for p in parts]),
            origin=origin,
        )

    def to_bytes(self) -> bytes:
        """Compressed npz with ``disagreement_*``, ``error_*`` and ``weights``."""
        arrays = {"weights": self.weights}
        for name in PROPERTIES:
            arrays[f"disagreement_{name}"] = self.disagreement[name]
            arrays[f"error_{name}"] = self.error[name]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def _join(mappings: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([m[name] for m in mappings]) for name in PROPERTIES}


def held_out(committee: Sequence[Potential], dataset: Dataset) -> Evidence:
    """Judge labelled frames that the committee has not been trained on."""
    prediction = evaluate_committee(committee, dataset)
    return Evidence(
        disagreement=disagreement(prediction, dataset),
        error=error(prediction, dataset),
        weights=np.ones(len(dataset)),
        origin="held out",
    )


def remembered(predictions: Dataset, labelled: Dataset) -> Evidence:
    """
    Judge frames by what was predicted of them before they were labelled.

    Parameters
    ----------
    predictions
        Frames as an evaluation chose them: the committee mean as their labels,
        columns ``disagreement_*`` and ``selection_probability``.
    labelled
        The same frames, in the same order, with their true labels.
    """
    predicted = {name: getattr(predictions, name) for name in PROPERTIES}
    return Evidence(
        disagreement={
            name: np.asarray(predictions.info[f"disagreement_{name}"], float)
            for name in PROPERTIES
        },
        error=label_error(predicted, labelled),
        weights=1 / np.asarray(predictions.info["selection_probability"], float),
        origin="explored",
    )


def match(predictions: Dataset, labelled: Dataset) -> tuple[Dataset, Dataset]:
    """Pair predictions with the labels that have arrived for them, by fingerprint."""
    position = {f: i for i, f in enumerate(labelled.fingerprints)}
    pairs = [
        (i, position[f])
        for i, f in enumerate(predictions.fingerprints)
        if f in position
    ]
    mine, theirs = np.array(pairs, dtype=int).reshape(-1, 2).T
    return predictions[mine], labelled[theirs]


def gather(
    committee: Sequence[Potential], labelled: Dataset, predictions: Dataset | None
) -> Evidence:
    """
    Choose the frames that calibrate this iteration, the most telling there are.

    Explored frames: those in training by their remembered predictions, those in
    validation and test by today's committee. Too few of them are pooled with the
    held-out augmented frames; without any, these stand alone. ``origin`` says which.

    Raises
    ------
    ValueError
        If no labelled frame was held out.
    """
    split = labelled.info["split"]
    # A user's own dataset may not say what kind its frames are: none are explored.
    explored = np.asarray(labelled.info.get("config_type", "")) == EXPLORED
    unseen = np.isin(split, ("val", "test"))
    parts = []
    if (unseen & explored).any():
        parts.append(held_out(committee, labelled[unseen & explored]))
    if predictions is not None and len(predictions):
        then, now = match(predictions, labelled[(split == "train") & explored])
        if len(now):
            parts.append(remembered(then, now))
    n_explored = sum(map(len, parts))
    if n_explored >= _ENOUGH_EXPLORED:
        return Evidence.join(parts, f"{n_explored} explored frames")
    if (unseen & ~explored).any():
        parts.append(held_out(committee, labelled[unseen & ~explored]))
    if not parts:
        raise ValueError(
            "no labelled frame is in the validation or test set: the committee cannot "
            "be calibrated; label more frames or raise the split's fractions"
        )
    n_augmented = sum(map(len, parts)) - n_explored
    origin = f"{n_augmented} held-out augmented frames"
    if n_explored:
        origin = f"{n_explored} explored and {origin}, pooled"
    return Evidence.join(parts, origin)
