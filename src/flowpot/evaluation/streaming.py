"""Uncertainties and errors of many frames, in little memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation.atoms import AtomSample
from flowpot.evaluation.disagreement import error
from flowpot.evaluation.known import is_known
from flowpot.evaluation.predicted import of_frames
from flowpot.evaluation.prediction import (
    CommitteePrediction,
    evaluate_committee,
    load_committee,
    without_collapse,
)
from flowpot.evaluation.uncertainty.base import PerFrame, Uncertainty
from flowpot.evaluation.uncertainty.spread import CommitteeSpread
from flowpot.potentials import Potential
from flowpot.potentials.batching import batches

ATOMS_AT_ONCE = 50_000
"""Atoms whose predictions are in memory together: about 100 bytes each and member."""


class Spread(NamedTuple):
    """
    Uncertainties and errors of n frames.

    Attributes
    ----------
    disagreement
        (n,) arrays, of :func:`flowpot.evaluation.disagreement` where there are several
        members, of further uncertainties, and of the predicted forces' size; NaN for a
        frame that a member has no finite prediction for.
    error
        (n,) arrays, of :func:`flowpot.evaluation.error`; NaN without a label.
    """

    disagreement: PerFrame
    error: PerFrame


def spread_over(
    committee: Any,
    frames: Dataset | Iterable[Dataset],
    *,
    of: str = "mean",
    uncertainties: Sequence[Uncertainty] = (),
    atoms_at_once: int = ATOMS_AT_ONCE,
) -> Spread:
    """
    Predict frames chunk by chunk, and keep a few numbers of each frame.

    The predictions of a committee take M times the memory of the forces, and as much
    again while they are compared; those of a chunk are dropped before the next.

    Parameters
    ----------
    committee
        See :func:`flowpot.evaluation.load_committee`.
    frames
        A dataset, or several that follow each other: shards that are read one by one
        may be larger than the memory together.
    of
        What the error is of: see :func:`flowpot.evaluation.error`.
    uncertainties
        What is measured beside the spread of the members.
    atoms_at_once
        Atoms in a chunk, at most; a larger frame is a chunk of its own.

    Raises
    ------
    ValueError
        Without any frame, or where two uncertainties have the same names.

    Examples
    --------
    >>> shards = (Dataset.read(p) for p in paths)  # doctest: +SKIP
    >>> spread_over(doc, shards).disagreement["forces"].max()  # doctest: +SKIP
    """
    members = load_committee(committee)
    others = _others(uncertainties)
    shards = [frames] if isinstance(frames, Dataset) else frames
    parts = [
        _spread(
            prediction,
            chunk,
            of,
            [(u, u.measure(members, without_collapse(chunk)[0])) for u in others],
        )
        for shard in shards
        for prediction, chunk in _predicted(members, shard, atoms_at_once)
    ]
    if not parts:
        raise ValueError("no frames to predict: give at least one")
    return _join(parts)


def with_atoms(
    members: Sequence[Potential],
    frames: Dataset,
    uncertainties: Sequence[Uncertainty],
    atoms_at_once: int = ATOMS_AT_ONCE,
) -> tuple[Spread, AtomSample | None]:
    """
    Predict labelled frames as :func:`spread_over` does, and measure some atoms, too.

    Parameters
    ----------
    members
        The members of the committee, loaded.
    frames, uncertainties, atoms_at_once
        As in :func:`spread_over`; at least one frame.
    """
    parts, samples = [], []
    for prediction, chunk in _predicted(members, frames, atoms_at_once):
        whole = without_collapse(chunk)[0]
        both = [(u, *u.measure_both(members, whole)) for u in _others(uncertainties)]
        measured = [(uncertainty, of_frames) for uncertainty, of_frames, _ in both]
        parts.append(_spread(prediction, chunk, "mean", measured))
        atoms = AtomSample.of(prediction, chunk, [of_atoms for *_, of_atoms in both])
        samples.append((atoms, len(chunk)))
    return _join(parts), AtomSample.joined(samples)


def _others(uncertainties: Sequence[Uncertainty]) -> list[Uncertainty]:
    """Leave out the spread of the members, which every prediction gives."""
    return [u for u in uncertainties if not isinstance(u, CommitteeSpread)]


def _predicted(
    members: Sequence[Potential], frames: Dataset, atoms_at_once: int
) -> Iterator[tuple[CommitteePrediction, Dataset]]:
    """Yield the frames in chunks, with what the members predict of each."""
    for chunk in batches(frames.n_atoms, atoms_at_once):
        yield evaluate_committee(members, frames[chunk]), frames[chunk]


def _spread(
    prediction: CommitteePrediction,
    chunk: Dataset,
    of: str,
    measures: Sequence[tuple[Uncertainty, PerFrame]],
) -> Spread:
    with np.errstate(invalid="ignore"):  # a member may have predicted infinities
        errors = error(prediction, chunk, of)
    spread = of_frames(prediction, chunk)
    known = is_known(spread)
    for uncertainty, measured in measures:
        if taken := measured.keys() & spread.keys():
            raise ValueError(
                f"{type(uncertainty).__name__} measures {', '.join(sorted(taken))}, "
                "as another uncertainty does: give its numbers names of their own"
            )
        spread |= {k: np.where(known, v, np.nan) for k, v in measured.items()}
    return Spread(spread, errors)


def _join(parts: Sequence[Spread]) -> Spread:
    kinds = zip(*parts, strict=True)
    return Spread(
        *(
            {name: np.concatenate([p[name] for p in kind]) for name in kind[0]}
            for kind in kinds
        )
    )
