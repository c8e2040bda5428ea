"""Where frames come from: augmentation and the user, or molecular dynamics."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Columns

EXPLORED = "md"
"""``config_type`` of frames from molecular dynamics."""
AUGMENTED = "augmented"
"""Name of the origin of the frames that a campaign began with."""


def is_explored(dataset: Columns) -> NDArray[np.bool_]:
    """Return whether each frame is from molecular dynamics, shape (n,)."""
    # A user's own dataset may not say what kind its frames are: none are explored.
    kinds = np.asarray(dataset.column("config_type", ""), dtype=object)
    return np.asarray(kinds == EXPLORED, dtype=bool)


def explored_in(dataset: Columns) -> NDArray[np.int_]:
    """Return the iteration that explored each frame, shape (n,); 0 for all others."""
    column = dataset.column("iteration", 0)
    return np.fromiter(map(_iteration, column), int, len(dataset))


def origins_of(dataset: Columns) -> NDArray[np.int_]:
    """
    Return the origin of each frame as a number, shape (n,); `origin_name` names it.

    It is N for frames of molecular dynamics in iteration N, and 0 for what the campaign
    began with: all other frames, and those of molecular dynamics that state no
    iteration.
    """
    return np.where(is_explored(dataset), explored_in(dataset), 0)


def origin_name(origin: int) -> str:
    """Return the name of an origin: ``augmented`` for 0, else ``explored N``."""
    return f"explored {origin}" if origin else AUGMENTED


def _iteration(stated: Any) -> int:
    """Return the number that a frame states; 0 for none."""
    try:
        return int(float(stated))
    except (TypeError, ValueError, OverflowError):
        return 0  # missing, or a user's own column of this name, with other contents
