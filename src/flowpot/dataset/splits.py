"""Divide frames into training, validation and test sets, once and for all."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flowpot.dataset.dataset import Dataset
from flowpot.dataset.relatives import relatives
from flowpot.dataset.sets import AUDIT, SETS, is_audit
from flowpot.randomness import derive_rng

ALWAYS_TRAIN = ("input", "isolated_atom")
"""Values of ``config_type`` of the frames that always train."""
_FREE = -1
"""Index, where a frame has no set yet."""


class TooFewFramesError(ValueError):
    """Too few frames are free to go into the validation or test set."""


def assign_splits(
    dataset: Dataset,
    *,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    existing: Any = None,
    group_by: str | None = None,
) -> Dataset:
    """
    Assign every frame to a set, in the metadata column ``split``.

    Frames that have a set keep it; those of the set ``audit`` have no part in what
    follows. Exact duplicates of a frame that has a set, here or in `existing`, take
    the same one. Input structures and isolated atoms train. Frames that share their
    positions share a set: those that differ by species only, and those cut from
    another (:mod:`flowpot.dataset.relatives`). All others are drawn at random, so that
    the frames of each config_type and, within it, of each parent come as close to
    `fractions` as whole frames allow. The remainder of a small group is carried over
    to the next, so that many groups of two or three frames still fill the validation
    and test sets.

    Parameters
    ----------
    dataset
        The frames.
    fractions
        Shares of the frames that train, validate and test; they sum to 1.
    seed
        Seed of the random draw.
    existing
        Frames of earlier iterations, with their sets, in any form that `Dataset.load`
        takes.
    group_by
        ``"parent"`` or ``"trajectory"`` (or any metadata column): frames with the same
        value share a set. By parent, children also follow a parent that is itself
        among the frames, unless that is an input structure.

    Returns
    -------
    Dataset
        The same frames, in the same order, with ``split``.

    Raises
    ------
    TooFewFramesError
        Where validation or test would be empty for want of frames. With `existing`
        this is no error: a late iteration may add a single frame.
    ValueError
        Where `fractions`, `group_by`, or a set that a frame already has is not valid.
    """
    shares = checked_fractions(fractions)
    if (audited := is_audit(dataset)).any():
        split = np.full(len(dataset), AUDIT, object)
        rest = assign_splits(
            dataset[~audited],
            fractions=fractions,
            seed=seed,
            existing=existing,
            group_by=group_by,
        )
        split[~audited] = rest.info["split"]
        return dataset.with_info(split=split)
    known = _joined_existing(existing)
    everything = Dataset.concatenate([known, dataset])
    if group_by is not None and group_by not in everything.info:
        raise ValueError(
            f"group_by={group_by!r} is no metadata column: use one of "
            f"{sorted(everything.info)}"
        )
    prints = everything.fingerprints
    known_sets = _known_sets(everything)
    is_named = np.isin(_column(everything, "config_type"), ALWAYS_TRAIN)
    always = np.isin(prints, prints[is_named | everything.is_isolated_atom])
    units = _units(everything, prints, always, group_by)
    split = _settled(known_sets, always, units, prints)
    rng = derive_rng(seed, "splits")
    is_free = split == _FREE
    counts = np.array([np.sum((split == s) & ~always) for s in range(3)])
    _draw(split, units, _ordered_units(everything, units, is_free, rng), shares, counts)
    if existing is None and (known_sets == _FREE).any():
        _fill_empty(split, units, is_free, shares, rng)
    split = split[len(known) :]
    sizes = {name: int(np.sum(split == s)) for s, name in enumerate(SETS)}
    logging.getLogger(__name__).info("sizes of the sets: %s", sizes)
    return dataset.with_info(split=[SETS[s] for s in split])


def checked_fractions(fractions: Sequence[float]) -> NDArray[np.float64]:
    """Return the shares of the three sets, shape (3,); refuse what are no shares."""
    shares = np.asarray(fractions, float)
    valid = shares.shape == (3,) and (shares >= 0).all() and shares[0] > 0
    if not valid or not np.isclose(shares.sum(), 1.0):
        raise ValueError(
            f"fractions are {fractions}: give the shares of train, val and test, which "
            "sum to 1; train must not be 0"
        )
    return shares


def _joined_existing(existing: Any) -> Dataset:
    """Return the frames of earlier iterations, without those of the audit set."""
    if existing is None:
        return Dataset.concatenate([])
    known = Dataset.load(existing)
    known = known[~is_audit(known)]
    if len(known) and (_known_sets(known) == _FREE).any():
        raise ValueError(
            "existing frames without a set (column 'split'): assign_splits them first"
        )
    return known


def _column(dataset: Dataset, name: str) -> NDArray[Any]:
    """Return a metadata column as str, empty where missing."""
    column = dataset.column(name)
    return np.array(["" if v is None or v != v else str(v) for v in column], object)  # noqa: PLR0124


def _known_sets(dataset: Dataset) -> NDArray[np.int64]:
    """Return the index in SETS of the set that each frame already has, or _FREE."""
    column = _column(dataset, "split")
    codes = {"": _FREE, **{name: s for s, name in enumerate(SETS)}}
    unknown = sorted(set(column) - set(codes))
    if unknown:
        raise ValueError(f"split is {unknown[0]!r}: use one of {SETS}, or None")
    return np.array([codes[name] for name in column], np.int64)


def _units(
    dataset: Dataset,
    prints: NDArray[np.str_],
    always: NDArray[np.bool_],
    group_by: str | None,
) -> NDArray[np.int64]:
    """
    Return the number of the group that each frame must stay with, shape (n,).

    Groups are the connected components of the graph of frames and what they share.
    """
    every = np.ones(len(dataset), bool)
    families = relatives(dataset, _column(dataset, "parent"))
    links: list[tuple[str, NDArray[Any], NDArray[np.bool_]]] = [
        ("print", prints, every),
        ("family", families, every),
    ]
    if group_by is not None:
        values = _column(dataset, group_by)
        links.append(("group", values, ~always & (values != "")))
        if group_by == "parent":
            links.append(("group", prints, ~always))
    names = [(k, v) for k, values, use in links for v in values[use]]
    frames = np.concatenate([np.flatnonzero(use) for _, _, use in links])
    number: dict[tuple[str, Any], int] = {}
    nodes = np.array([number.setdefault(name, len(number)) for name in names], int)
    n = len(dataset)
    size = n + len(number)
    graph = coo_array((np.ones(len(frames), bool), (frames, n + nodes)), (size, size))
    return connected_components(graph, directed=False)[1][:n]


def _settled(
    known_sets: NDArray[np.int64],
    always: NDArray[np.bool_],
    units: NDArray[np.int64],
    prints: NDArray[np.str_],
) -> NDArray[np.int64]:
    """
    Return the sets that follow without a draw, _FREE where none follows.

    A frame has its own set; else that of its exact duplicates; else training, if it
    always trains; else that of the frames it must stay with. If those have different
    sets, it is the first of train, val, test: what was trained on must not test.
    """
    split = known_sets.copy()
    same = np.unique(prints, return_inverse=True)[1]
    _spread(split, same)
    split[(split == _FREE) & always] = 0
    _spread(split, units)
    return split


def _spread(split: NDArray[np.int64], groups: NDArray[np.int64]) -> None:
    """Assign to free frames the set of their group, in place."""
    if not len(split):
        return
    unset = len(SETS)
    best = np.full(groups.max() + 1, unset)
    np.minimum.at(best, groups, np.where(split == _FREE, unset, split))
    take = (split == _FREE) & (best[groups] != unset)
    split[take] = best[groups][take]


def _ordered_units(
    dataset: Dataset,
    units: NDArray[np.int64],
    is_free: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the free units by config_type, then parent, all in random order."""
    free, first = np.unique(np.where(is_free, units, -1), return_index=True)
    free, first = free[free >= 0], first[free >= 0]
    keys = [rng.random(len(free))]
    for name in ("parent", "config_type"):
        values = _column(dataset, name)[first].astype(str)
        _, codes = np.unique(values, return_inverse=True)
        keys.append(rng.permutation(codes.max(initial=0) + 1)[codes])
    return free[np.lexsort(keys)]


def _draw(
    split: NDArray[np.int64],
    units: NDArray[np.int64],
    order: NDArray[np.int64],
    shares: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """
    Assign each unit, in order, to the set that lacks most frames; change `split`.

    A set lacks its share of the frames so far, less the frames it has. What it lacked
    in earlier iterations counts, up to one frame, so that many small shards add up.
    """
    sizes = np.bincount(units[split == _FREE], minlength=units.max(initial=-1) + 1)
    lack = np.clip(shares * counts.sum() - counts, -1.0, 1.0)
    chosen = np.full(len(sizes), _FREE)
    for unit in order:
        lack += shares * sizes[unit]
        chosen[unit] = best = np.argmax(np.where(shares > 0, lack, -np.inf))
        lack[best] -= sizes[unit]
    free = split == _FREE
    split[free] = chosen[units[free]]


def _fill_empty(
    split: NDArray[np.int64],
    units: NDArray[np.int64],
    is_free: NDArray[np.bool_],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Move units of the training set to sets that would be empty; change `split`."""
    empty = [s for s in range(3) if shares[s] > 0 and not (split == s).any()]
    movable = np.unique(units[is_free & (split == 0)])
    fixed = (~is_free & (split == 0)).any()
    spare = len(movable) - (0 if fixed else 1)
    if len(empty) > spare:
        lacking = len(empty) - spare
        raise TooFewFramesError(
            f"too few frames to fill the sets {[SETS[s] for s in empty]}: at least "
            f"{lacking} more that are free to go anywhere are needed (input structures "
            "and isolated atoms always train, and frames that share their positions "
            "share a set); add frames, set fractions to 0, or give the sets yourself, "
            "in the column 'split'"
        )
    for s, unit in zip(empty, rng.permutation(movable), strict=False):
        split[units == unit] = s
