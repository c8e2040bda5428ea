"""Frames that an evaluation wants labelled, with what was predicted of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.neighbours import closest_pair
from flowpot.dataset.sets import AUDIT as AUDIT_SET
from flowpot.dataset.sets import ROUND
from flowpot.evaluation.covariates import column_of
from flowpot.evaluation.known import is_known
from flowpot.evaluation.prediction import evaluate_committee
from flowpot.evaluation.selection import Selection
from flowpot.potentials import Potential

SELECTED, AUDIT, PILOT, CLOSING = "selected", "audit", "pilot", "closing"
_FEWEST = 10  # frames of a pilot: fewer say little
CHECKS = (AUDIT, PILOT, CLOSING)
"""Reasons for being chosen that put a frame into the audit set."""


@dataclass(frozen=True)
class Judged:
    """
    Explored frames and what a committee predicts of them.

    Attributes
    ----------
    frames
        n frames.
    members
        The members of the committee.
    uncertainty
        (n,) arrays by name.
    accepted
        (n,) mask of the frames that are not flagged.
    free
        (n,) mask of the frames that may be chosen.
    wrecked
        (n,) mask of flagged frames beyond the upper bound, which are never selected.
    round
        Number that this evaluation's audit frames have in common.
    """

    frames: Dataset
    members: Sequence[Potential]
    uncertainty: Mapping[str, np.ndarray]
    accepted: np.ndarray
    free: np.ndarray
    wrecked: np.ndarray
    round: int

    @property
    def candidates(self) -> np.ndarray:
        """Indices of the free frames that have a finite prediction of every member."""
        return np.flatnonzero(self.free & is_known(self.uncertainty))

    @property
    def accepted_candidates(self) -> np.ndarray:
        """Indices of the candidates that are not flagged."""
        return self.candidates[self.accepted[self.candidates]]

    def rows(self, index: np.ndarray, kind: str, probability: np.ndarray) -> Dataset:
        """
        Return chosen frames with what was predicted of them.

        Parameters
        ----------
        index
            (k,) indices of the frames.
        kind
            Why they were chosen: ``selected``, ``audit``, ``pilot`` or ``closing``.
        probability
            (k,) with which each was drawn; NaN for a frame that was not drawn.

        Returns
        -------
        Dataset
            The frames with the committee mean as labels, and columns that hold their
            uncertainties, how they were chosen, and their set.
        """
        # Predicted once more: of all other frames no prediction is kept.
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
        """Return the frames of a selection, to be learned and to be checked."""
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
    Draw frames uniformly from all that may be labelled.

    Parameters
    ----------
    judged
        The explored frames.
    size
        Number of frames wanted. At most half of the free frames and of the budget are
        drawn, since a pilot must leave frames to select, and labels for them; none are
        where these are fewer than ten.
    budget
        Number of frames that may be labelled; None for no limit.
    rng
        Random numbers.
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
    Draw frames uniformly from those that this committee accepts.

    Parameters
    ----------
    judged
        The explored frames.
    size
        Number of frames needed. Where there are fewer, none are drawn: they would
        decide nothing.
    budget
        Number of frames that may be labelled; None for no limit.
    rng
        Random numbers.
    """
    accepted = judged.accepted_candidates
    room = len(accepted) if budget is None else min(len(accepted), budget)
    n = size if size <= room else 0
    index = np.sort(rng.choice(accepted, n, replace=False))
    return judged.rows(index, CLOSING, np.asarray(n / max(len(accepted), 1)))


def far_apart(frames: Dataset, fraction: float) -> np.ndarray:
    """
    Return the mask (n,) of frames in which no pair of atoms is too close to label.

    Parameters
    ----------
    frames
        n frames.
    fraction
        Shortest distance, as a fraction of the sum of the pair's covalent radii.
    """
    return np.array([closest_pair(atoms, fraction) is None for atoms in frames], bool)
