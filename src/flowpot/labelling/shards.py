"""The sets of a shard's frames: train, validation, test."""

from contextlib import suppress

from flowpot.dataset import Dataset, assign_splits
from flowpot.dataset.sets import AUDIT, SETS
from flowpot.dataset.splits import TooFewFramesError


def assign_shard_splits(
    frames: Dataset,
    existing: Dataset,
    *,
    fractions: tuple[float, float, float],
    group_by: str | None,
    seed: int,
) -> Dataset:
    """
    Assign the frames of a shard to sets, respecting those of earlier shards.

    Parameters
    ----------
    frames
        The shard's.
    existing
        Frames of earlier shards. The first shard of a campaign gets no empty set, if it
        has frames enough.
    fractions
        Shares of the frames that train, validate and test.
    group_by
        Metadata column whose equals share a set.
    seed
        Of the draw.
    """
    if len(existing) == 0:
        with suppress(TooFewFramesError):
            return assign_splits(
                frames, existing=None, fractions=fractions, group_by=group_by, seed=seed
            )
    return assign_splits(
        frames, existing=existing, fractions=fractions, group_by=group_by, seed=seed
    )


def split_counts(shard: Dataset) -> dict[str, int]:
    """Count the frames of each set."""
    sets = shard.info["split"]
    found = {name: int((sets == name).sum()) for name in SETS}
    n_audit = int((sets == AUDIT).sum())
    return found | {AUDIT: n_audit} if n_audit else found
