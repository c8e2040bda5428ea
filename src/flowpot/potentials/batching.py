"""Divide frames into batches that are evaluated at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.validation import whole


def check_request(dataset: Any, batch_size: Any) -> None:
    """
    Refuse what is no dataset, and what is no size of a batch.

    Raises
    ------
    TypeError
        For other frames, such as ASE Atoms.
    ValueError
        For another size than None, or a whole number of 1 or more.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset is of the type {type(dataset).__name__}: give a Dataset, such as "
            "Dataset.load(frames)"
        )
    whole(1, batch_size=batch_size)


def batches(n_atoms: NDArray[np.int64], size: int) -> Iterator[slice]:
    """
    Divide frames into batches of at most `size` atoms, in order.

    Examples
    --------
    >>> [(b.start, b.stop) for b in batches(np.array([8, 8, 8, 64, 1]), 16)]
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    if size < 1:
        raise ValueError(f"batch_size is {size}: give the atoms of a batch, 1 or more")
    start, atoms = 0, 0
    for frame, n in enumerate(n_atoms):
        if frame > start and atoms + n > size:
            yield slice(start, frame)
            start, atoms = frame, 0
        atoms += n
    if start < len(n_atoms):
        yield slice(start, len(n_atoms))
