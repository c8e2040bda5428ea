"""The sets that frames belong to, and the origins that they come from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Columns

TRAIN, VAL, TEST = "train", "val", "test"
SETS = (TRAIN, VAL, TEST)
"""The sets that frames are divided into: values of the metadata column ``split``."""
AUDIT = "audit"
"""The set of frames drawn to check a committee: another value of ``split``. They are
predicted before they are learned, and learned once there are newer ones."""
ROUND = "audit_round"
"""Metadata column with the number of a frame's audit: later audits have larger ones."""
EXPLORED = "md"
"""``config_type`` of frames from molecular dynamics."""
AUGMENTED = "augmented"
"""Name of the origin of the frames that a campaign began with."""


def is_audit(dataset: Columns) -> NDArray[np.bool_]:
    """Return whether each frame is in the audit set, of whatever age, shape (n,)."""
    split = np.asarray(dataset.column("split"), dtype=object)
    return np.asarray(split == AUDIT, dtype=bool)


def audit_rounds(dataset: Columns) -> NDArray[np.int64]:
    """Return the round of each audit frame, 0 where none is stated, shape (n,)."""
    rounds = np.asarray(dataset.column(ROUND, np.nan), dtype=float)
    return np.nan_to_num(rounds).astype(np.int64)


def sets_of(dataset: Columns) -> NDArray[Any]:
    """
    Return the set that each frame is used for now, shape (n,).

    This is the column ``split``, except that audit frames of all rounds but the latest
    count as ``train``: they have served as a check, and are learned from now on.
    """
    sets = np.array(dataset.info["split"], dtype=object)
    audits = is_audit(dataset)
    rounds = audit_rounds(dataset)
    newest = rounds[audits].max(initial=0)
    sets[audits & (rounds < newest)] = TRAIN
    return sets


def without_audits(dataset: Columns) -> NDArray[Any]:
    """
    Return the set of each frame, shape (n,), where those of audits train.

    It is for the frames of an earlier campaign: their audits have served, and their
    rounds are not those of a new campaign. None where a frame has no set.
    """
    sets = np.array(dataset.column("split"), dtype=object)
    sets[is_audit(dataset)] = TRAIN
    return sets


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
