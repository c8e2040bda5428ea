"""Frames that an evaluation wants labelled, and what later ones need to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.sets import AUDIT as AUDIT_SET
from flowpot.dataset.sets import ROUND
from flowpot.evaluation.covariates import column_of
from flowpot.evaluation.decision import is_known
from flowpot.evaluation.prediction import evaluate_committee
from flowpot.evaluation.selection import Selection
from flowpot.potentials import Potential

SELECTED, AUDIT, PILOT, CLOSING = "selected", "audit", "pilot", "closing"
_FEWEST = 10  # frames of a pilot
CHECKS = (AUDIT, PILOT, CLOSING)
"""Ways of being chosen that put a frame into the audit set."""


@dataclass(frozen=True)
class Judged:
    """
    Explored frames as a committee sees them.

    Attributes
    ----------
    frames
        n frames.
    members
        The committee.
    uncertainty
        (n,) arrays by name.
    accepted
        (n,) mask of the frames that are not flagged.
    free
        (n,) mask of those that may be chosen.
    round
        Number of this evaluation's audit frames.
    """

    frames: Dataset
    members: Sequence[Potential]
    uncertainty: Mapping[str, np.ndarray]
    accepted: np.ndarray
    free: np.ndarray
    round: int

    @property
    def candidates(self) -> np.ndarray:
        """Indices of the free frames that every member has a prediction for."""
        return np.flatnonzero(self.free & is_known(self.uncertainty))

    def rows(self, index: np.ndarray, kind: str, probability: np.ndarray) -> Dataset:
        """
        Return chosen frames with what was predicted of them.

        Parameters
        ----------
        index
            Of the frames.
        kind
            How they were chosen.
        probability
            (k,) with which each was drawn; NaN for what was not drawn.

        Returns
        -------
        Dataset
            The committee mean as labels, and columns for uncertainties, choice and
            set.
        """
        # Predicted once more: these few are all whose predictions are kept.
        frames = self.frames[index].without_labels()
        n, checks = len(index), kind in CHECKS
        return frames.with_labels(
            **evaluate_committee(self.members, frames).mean
        ).with_info(
            accepted=self.accepted[index],
            selection=np.full(n, kind, dtype=object),
            selection_probability=np.broadcast_to(probability, n).astype(float),
            split=np.full(n, AUDIT_SET if checks else None, dtype=object),
            **{ROUND: np.full(n, self.round if checks else np.nan, dtype=float)},
            **{column_of(k): v[index] for k, v in self.uncertainty.items()},
        )

    def chosen(self, selection: Selection) -> Dataset:
        """Return the frames of a selection: those to learn, and those to check."""
        return Dataset.concatenate(
            [
                self.rows(selection.selected, SELECTED, selection.selected_probability),
                self.rows(
                    selection.audit, AUDIT, np.asarray(selection.audit_probability)
                ),
            ]
        )


def draw_pilot(
    judged: Judged, size: int, budget: int | None, rng: np.random.Generator
) -> Dataset:
    """
    Draw frames uniformly over all that may be labelled.

    Parameters
    ----------
    judged
        The explored frames.
    size
        How many are wanted. At most half of the free frames, and of the budget, are
        drawn: a pilot must leave something to choose, and labels for it. None are
        where that is fewer than ten, which would say little.
    budget
        How many may be labelled; None for no limit.
    rng
        Of the draw.
    """
    candidates = judged.candidates
    room = len(candidates) if budget is None else min(len(candidates), budget)
    n = min(size, room // 2)
    n = n if n >= min(size, _FEWEST) else 0
    index = np.sort(rng.choice(candidates, n, replace=False))
    return judged.rows(index, PILOT, np.asarray(n / max(len(candidates), 1)))


def draw_closing(
    judged: Judged, size: int, budget: int | None, rng: np.random.Generator
) -> Dataset:
    """
    Draw frames uniformly over those that this committee accepts now.

    Parameters
    ----------
    judged
        The explored frames.
    size
        How many are needed. None are drawn where there are not so many: fewer decide
        nothing.
    budget
        How many may be labelled; None for no limit.
    rng
        Of the draw.
    """
    accepted = judged.candidates[judged.accepted[judged.candidates]]
    room = len(accepted) if budget is None else min(len(accepted), budget)
    n = size if size <= room else 0
    index = np.sort(rng.choice(accepted, n, replace=False))
    return judged.rows(index, CLOSING, np.asarray(n / max(len(accepted), 1)))
