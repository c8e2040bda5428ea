"""
Frames on which a calibration may stand: labelled, and predicted without having seen.

Calibrated on all labelled frames, most of them augmented, a committee reports a true
positive rate of 0.84 on MD frames where it has 0.28. What counts are the frames that
represent those to be judged: explored ones that today's committee has not learned.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import DECIDING, PROPERTIES
from flowpot.dataset.sets import AUDIT, TEST, TRAIN, VAL, sets_of
from flowpot.evaluation.calibration import FEATURES
from flowpot.evaluation.disagreement import label_error
from flowpot.evaluation.streaming import HAS_STRESS, spread_over
from flowpot.evaluation.uncertainty import Uncertainty
from flowpot.potentials import Potential

Array = NDArray[np.float64]

EXPLORED = "md"
"""config_type of frames from molecular dynamics."""
REPRESENTATIVE, ALL_LABELLED = "representative", "all labelled"
KINDS = (REPRESENTATIVE, ALL_LABELLED)

_MORE = 4 / 3  # of what is enough: predictions of earlier committees fill up to it


@dataclass(frozen=True)
class Evidence:
    """
    Uncertainties and errors of n frames.

    Attributes
    ----------
    disagreement, error
        (n,) arrays: uncertainties by name, and errors by property.
    weights
        (n,) inverse selection probabilities, where a fit needs them.
    origin
        Where the frames came from.
    worth
        (n,) what each counts for: less than one where it does not quite represent the
        frames to be judged.
    """

    disagreement: Mapping[str, Array]
    error: Mapping[str, Array]
    weights: Array
    origin: str
    worth: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if len(self.worth) != len(self.weights):
            object.__setattr__(self, "worth", np.ones(len(self.weights)))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def effective_n(self) -> float:
        """Number of frames that they are worth."""
        return float(self.worth.sum())

    def worth_at_most(self, limit: float) -> "Evidence":
        """Let all together count for no more than so many frames."""
        share = min(limit / max(len(self), 1), 1.0)
        return replace(self, worth=np.full(len(self), max(share, 0.0)))

    @classmethod
    def join(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """Put several pieces together; what one does not know is NaN."""
        return cls(
            disagreement=_join([p.disagreement for p in parts], parts),
            error=_join([p.error for p in parts], parts),
            weights=np.concatenate([p.weights / p.weights.mean() for p in parts]),
            origin=" and ".join(p.origin for p in parts),
            worth=np.concatenate([p.worth for p in parts]),
        )

    def to_bytes(self) -> bytes:
        """Compressed npz: ``disagreement_*``, other uncertainties, ``error_*``..."""
        arrays = {"weights": self.weights, "worth": self.worth}
        arrays |= {column_of(k): v for k, v in self.disagreement.items()}
        arrays |= {f"error_{k}": v for k, v in self.error.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def column_of(uncertainty: str) -> str:
    """Name the column in which an uncertainty is kept."""
    return f"disagreement_{uncertainty}" if uncertainty in DECIDING else uncertainty


def _join(
    mappings: Sequence[Mapping[str, Array]], parts: Sequence[Evidence]
) -> dict[str, Array]:
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    pairs = list(zip(mappings, parts, strict=True))
    return {
        name: np.concatenate([m.get(name, np.full(len(p), np.nan)) for m, p in pairs])
        for name in names
    }


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
    def n_explored(self) -> int:
        """Frames of the first two kinds."""
        return sum(len(part) for part in (self.unseen, self.remembered) if part)

    def best(self, enough: float) -> Evidence:
        """
        Return the evidence, the less telling kinds filling up what the others lack.

        Parameters
        ----------
        enough
            Effective number of frames from which on the less telling are left out.

        Raises
        ------
        ValueError
            Without any.
        """
        parts: list[Evidence] = []
        kinds = (
            (self.unseen, np.inf),
            (self.remembered, _MORE * enough),
            (self.augmented, enough),
        )
        for evidence, limit in kinds:
            room = limit - sum(part.effective_n for part in parts)
            if evidence is not None and room > 0:
                parts.append(evidence.worth_at_most(room))
        if not parts:
            raise ValueError(
                "no labelled frame is in the audit, validation or test set: the "
                "committee cannot be calibrated; label more frames or raise the "
                "split's fractions"
            )
        return Evidence.join(parts)


def gather(
    committee: Sequence[Potential],
    labelled: Dataset,
    predictions: Sequence[Dataset],
    uncertainties: Sequence[Uncertainty] = (),
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
    uncertainties
        What is measured beside the spread of the members.
    """
    # A user's own dataset may not say what kind its frames are: none are explored.
    kinds = labelled.info.get("config_type", np.full(len(labelled), ""))
    explored = np.asarray(kinds) == EXPLORED
    sets = sets_of(labelled)
    unseen = np.isin(sets, (VAL, TEST, AUDIT)) & weighable(labelled)
    learned = labelled[(sets == TRAIN) & explored]
    pairs = [match(chosen, learned) for chosen in predictions]
    pasts = [remembered(then, now) for then, now in pairs if len(now)]
    return Witnesses(
        unseen=_held_out(
            committee,
            labelled[unseen & explored],
            "explored frames not learned",
            uncertainties,
        ),
        remembered=Evidence.join(pasts) if pasts else None,
        augmented=_held_out(
            committee,
            labelled[unseen & ~explored],
            "held-out augmented frames",
            uncertainties,
        ),
    )


def all_labelled(
    committee: Sequence[Potential],
    labelled: Dataset,
    uncertainties: Sequence[Uncertainty] = (),
) -> Evidence:
    """
    Judge all labelled frames, most of which the committee has learned.

    The AiiDA-TrainsPot way, for comparison; that code also averages the error over
    the members and takes their range, as :func:`flowpot.evaluation.error` and
    :func:`flowpot.evaluation.disagreement.range_of_members` can.
    """
    return Evidence(
        *spread_over(committee, labelled, uncertainties=uncertainties),
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
        their uncertainties as columns.
    labelled
        The same frames, in the same order, with their true labels.
    """
    columns = {name: column_of(name) for name in (*DECIDING, *FEATURES, HAS_STRESS)}
    known = {k: c for k, c in columns.items() if c in predictions.info}
    return Evidence(
        disagreement={
            k: np.asarray(predictions.info[c], float) for k, c in known.items()
        },
        error=label_error(
            {name: getattr(predictions, name) for name in PROPERTIES}, labelled
        ),
        weights=np.ones(len(labelled)),  # see `_held_out`
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
    committee: Sequence[Potential],
    frames: Dataset,
    what: str,
    uncertainties: Sequence[Uncertainty],
) -> Evidence | None:
    """
    Judge frames that the committee has not been trained on.

    They all weigh alike: they were chosen by their uncertainties, on which the error
    model conditions, or at random.
    """
    if len(frames) == 0:
        return None
    return Evidence(
        *spread_over(committee, frames, uncertainties=uncertainties),
        weights=np.ones(len(frames)),
        origin=f"{len(frames)} {what}",
    )
