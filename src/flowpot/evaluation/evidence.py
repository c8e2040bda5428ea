"""
Frames on which a calibration may stand: labelled, and predicted without having seen.

Calibrated on all labelled frames, most of them augmented, a committee reports a true
positive rate of 0.84 on MD frames where it has 0.28. What counts are the frames that
represent those to be judged: explored ones that today's committee has not learned.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.binomial import effective_number
from flowpot.evaluation.disagreement import label_error
from flowpot.evaluation.prediction import PROPERTIES
from flowpot.evaluation.streaming import spread_over
from flowpot.potentials import Potential

EXPLORED = "md"
"""config_type of frames from molecular dynamics."""
REPRESENTATIVE, ALL_LABELLED = "representative", "all labelled"
KINDS = (REPRESENTATIVE, ALL_LABELLED)

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

    @property
    def effective_n(self) -> float:
        """Number of equally weighted frames that tell as much (Kish)."""
        return effective_number(self.weights)

    @classmethod
    def join(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """Put several pieces together: their frames weigh one each, on average."""
        return cls(
            disagreement=_join([p.disagreement for p in parts]),
            error=_join([p.error for p in parts]),
            weights=np.concatenate([p.weights / p.weights.mean() for p in parts]),
            origin=" and ".join(p.origin for p in parts),
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


@dataclass(frozen=True)
class Witnesses:
    """
    The evidence that there is, by how well it represents what is to be judged.

    Attributes
    ----------
    unseen
        Explored frames that today's committee has not learned.
    remembered
        Explored frames that it has learned, by what an earlier one had predicted.
    augmented
        Held-out frames that were not explored.
    """

    unseen: Evidence | None
    remembered: Evidence | None = None
    augmented: Evidence | None = None

    @property
    def n_unseen(self) -> float:
        """Effective number of the first kind."""
        return 0.0 if self.unseen is None else self.unseen.effective_n

    def best(self, enough: float) -> Evidence:
        """
        Give the most telling evidence, joined with the next best while it is thin.

        Raises
        ------
        ValueError
            Without any.
        """
        parts: list[Evidence] = []
        limits = (enough, _ENOUGH_EXPLORED, 1)
        kinds = (self.unseen, self.remembered, self.augmented)
        for evidence, limit in zip(kinds, limits, strict=True):
            if evidence is not None:
                parts.append(evidence)
            if sum(part.effective_n for part in parts) >= limit:
                return Evidence.join(parts)
        raise ValueError(
            "no labelled frame is in the validation or test set: the committee cannot "
            "be calibrated; label more frames or raise the split's fractions"
        )

    def pooled(self) -> Evidence:
        """Give all of it."""
        kinds = (self.unseen, self.remembered, self.augmented)
        return Evidence.join([part for part in kinds if part is not None])


def gather(
    committee: Sequence[Potential], labelled: Dataset, predictions: Sequence[Dataset]
) -> Witnesses:
    """
    Find the labelled frames that may calibrate this iteration.

    Parameters
    ----------
    committee
        Today's.
    labelled
        All labelled frames, with their sets.
    predictions
        Of each earlier evaluation, for the frames that it chose.
    """
    # A user's own dataset may not say what kind its frames are: none are explored.
    kinds = labelled.info.get("config_type", np.full(len(labelled), ""))
    explored = np.asarray(kinds) == EXPLORED
    split = labelled.info["split"]
    unseen = np.isin(split, ("val", "test")) & weighable(labelled)
    learned = labelled[(split == "train") & explored]
    pairs = [match(chosen, learned) for chosen in predictions]
    pasts = [remembered(then, now) for then, now in pairs if len(now)]
    return Witnesses(
        unseen=_held_out(
            committee, labelled[unseen & explored], "explored frames not learned"
        ),
        remembered=Evidence.join(pasts) if pasts else None,
        augmented=_held_out(
            committee, labelled[unseen & ~explored], "held-out augmented frames"
        ),
    )


def all_labelled(committee: Sequence[Potential], labelled: Dataset) -> Evidence:
    """
    Judge all labelled frames, most of which the committee has learned.

    The AiiDA-TrainsPot way, for comparison; that code also averages the error over
    the members and takes their range, as :func:`flowpot.evaluation.error` and
    :func:`flowpot.evaluation.disagreement.range_of_members` can.
    """
    return Evidence(
        *spread_over(committee, labelled),
        weights=np.ones(len(labelled)),
        origin=f"all {len(labelled)} labelled frames, training included",
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
        origin=f"{len(labelled)} explored frames as they were before learning",
    )


def match(predictions: Dataset, labelled: Dataset) -> tuple[Dataset, Dataset]:
    """
    Pair predictions with the labels that have arrived for them, by fingerprint.

    Frames whose chance of being chosen is not known are left out.
    """
    predictions = predictions[weighable(predictions)]
    position = {f: i for i, f in enumerate(labelled.fingerprints)}
    pairs = [
        (i, position[f])
        for i, f in enumerate(predictions.fingerprints)
        if f in position
    ]
    mine, theirs = np.array(pairs, dtype=int).reshape(-1, 2).T
    return predictions[mine], labelled[theirs]


def weighable(frames: Dataset) -> np.ndarray:
    """
    Mask of the frames that may stand for others.

    Not those that were chosen for what they are rather than drawn, see
    :attr:`flowpot.evaluation.SelectionRules.method`: with an unknown probability their
    weight is unknown. Frames that no evaluation chose count once.
    """
    nothing = np.full(len(frames), None)
    chosen = np.asarray(frames.info.get("selection", nothing)) == "selected"
    probability = frames.info.get("selection_probability", nothing)
    return ~(chosen & np.isnan(np.asarray(probability, dtype=float)))


def _held_out(
    committee: Sequence[Potential], frames: Dataset, what: str
) -> Evidence | None:
    """Judge frames that the committee has not been trained on."""
    if len(frames) == 0:
        return None
    return Evidence(
        *spread_over(committee, frames),
        weights=_weights(frames),
        origin=f"{len(frames)} {what}",
    )


def _weights(frames: Dataset) -> np.ndarray:
    """
    Give inverse selection probabilities, of mean 1 for each way of being chosen.

    Pilots are a sample of everything, the others of what was flagged or accepted; and
    iterations differ in how many frames they explore.
    """
    size = len(frames)
    probability = frames.info.get("selection_probability", np.ones(size))
    weights = 1 / np.nan_to_num(np.asarray(probability, float), nan=1.0)
    kinds = np.asarray(frames.info.get("selection", np.full(size, "")))
    for group in (kinds == "pilot", kinds != "pilot"):
        if group.any():
            weights[group] /= weights[group].mean()
    return weights
