"""The sets that frames belong to: training, validation, test, and the audit set."""

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
