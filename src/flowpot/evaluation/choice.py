"""Frames that an evaluation wants labelled, and what later ones need to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.prediction import evaluate_committee
from flowpot.evaluation.selection import Selection
from flowpot.potentials import Potential

SELECTED, AUDIT, PILOT = "selected", "audit", "pilot"
_HELD_OUT = ("val", "test")


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
    disagreement
        (n,) arrays per property.
    accepted
        (n,) mask of the frames under all thresholds.
    """

    frames: Dataset
    members: Sequence[Potential]
    disagreement: Mapping[str, np.ndarray]
    accepted: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Mask of the frames that every member has a prediction for."""
        spread = self.disagreement
        return np.isfinite(spread["energy"]) & np.isfinite(spread["forces"])

    def rows(self, index: np.ndarray, **columns: np.ndarray) -> Dataset:
        """Give some frames with the committee mean as labels, and further columns."""
        # Predicted once more: these few are all whose predictions are kept.
        frames = self.frames[index].without_labels()
        return frames.with_labels(
            **evaluate_committee(self.members, frames).mean
        ).with_info(
            accepted=self.accepted[index],
            **{f"disagreement_{k}": d[index] for k, d in self.disagreement.items()},
            **columns,
        )


def draw_pilot(
    judged: Judged,
    free: np.ndarray,
    size: int,
    budget: int | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """
    Draw frames uniformly over all that may be labelled.

    None where they would be more than half of these, or of the budget: a pilot must
    leave something to choose, and labels for it.

    Parameters
    ----------
    judged
        The explored frames.
    free
        (n,) mask of those that may be chosen.
    size, budget
        How many are wanted, and how many may be labelled; None for no limit.
    rng
        Of the draw.
    """
    candidates = np.flatnonzero(free & judged.finite)
    room = len(candidates) if budget is None else min(len(candidates), budget)
    return np.sort(
        rng.choice(candidates, size if 2 * size <= room else 0, replace=False)
    )


def pilot_frames(judged: Judged, index: np.ndarray, free: np.ndarray) -> Dataset:
    """Give a pilot's frames: held out, to be witnesses of this and later committees."""
    n_candidates = int((free & judged.finite).sum())
    return judged.rows(
        index,
        selection=np.full(len(index), PILOT, dtype=object),
        selection_probability=np.full(len(index), len(index) / n_candidates),
        split=np.resize(np.array(_HELD_OUT, dtype=object), len(index)),
    )


def chosen_frames(
    judged: Judged, selection: Selection, labelled: Dataset, free: np.ndarray
) -> tuple[Dataset, Dataset]:
    """
    Give the frames that a selection chose, and these with the pilot that preceded.

    Parameters
    ----------
    judged
        The explored frames.
    selection
        Among them.
    labelled
        All labelled frames, those of this iteration's pilot too.
    free
        (n,) mask of the frames that might have been chosen.

    Notes
    -----
    Audited frames are held out as a pilot's are: drawn from what is accepted, and
    learned, they would say no more of later committees. Where a pilot preceded, its
    frames and the drawn ones are one sample of the accepted, and one of the flagged.
    A frame that was not drawn, but chosen for what it is, has no probability: NaN.
    """
    pilot = np.flatnonzero(_is_pilot(judged.frames, labelled))
    index = np.concatenate([selection.selected, selection.audit])
    n_selected, n_audit = len(selection.selected), len(selection.audit)
    counts = [n_selected, n_audit, len(pilot)]
    held_out = np.resize(np.array(_HELD_OUT, dtype=object), n_audit + len(pilot))
    split = np.concatenate([np.full(n_selected, None), held_out])
    probability = np.concatenate(
        [
            np.broadcast_to(selection.selected_probability, n_selected),
            np.broadcast_to(selection.audit_probability, n_audit),
        ]
    )
    everything = np.concatenate([index, pilot])
    if len(pilot):
        candidates = free & judged.finite
        candidates[pilot] = True
        by_chance = np.isfinite(np.append(probability, np.ones(len(pilot))))
        shares = _stratified(judged.accepted, everything, by_chance, candidates)
        probability = np.where(by_chance, shares, np.nan)
    rows = judged.rows(
        everything,
        selection=np.repeat(np.array([SELECTED, AUDIT, PILOT], dtype=object), counts),
        selection_probability=probability,
        split=split,
    )
    return rows[: len(index)], rows


def _is_pilot(frames: Dataset, labelled: Dataset) -> np.ndarray:
    """Mask of the frames that were labelled as a pilot."""
    kinds = labelled.info.get("selection", np.full(len(labelled), ""))
    pilots = labelled[np.asarray(kinds) == PILOT]
    return np.isin(frames.fingerprints, pilots.fingerprints)


def _stratified(
    accepted: np.ndarray,
    chosen: np.ndarray,
    by_chance: np.ndarray,
    candidates: np.ndarray,
) -> np.ndarray:
    """Share of the accepted, and of the flagged, that was drawn, for each chosen."""
    probability = np.empty(len(chosen))
    for stratum in (accepted, ~accepted):
        rows = stratum[chosen]
        n_drawn = (rows & by_chance).sum()
        probability[rows] = n_drawn / max((stratum & candidates).sum(), 1)
    return probability
