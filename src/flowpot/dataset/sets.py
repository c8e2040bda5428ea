"""Audit frames: predicted before they are learned, learned once there are newer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.arrays import Columns

AUDIT = "audit"
"""The set of frames that were drawn to check a committee: a value of ``split``."""
ROUND = "audit_round"
"""Metadata column: the later audits have the larger number."""


def is_audit(dataset: Columns) -> NDArray[np.bool_]:
    """Mask of the frames that are in the audit set, old ones too."""
    column = dataset.info.get("split", np.full(len(dataset), None, dtype=object))
    return np.asarray(np.asarray(column, dtype=object) == AUDIT, dtype=bool)


def audit_rounds(dataset: Columns) -> NDArray[np.int64]:
    """Return the round of each audit frame; 0 where none is stated."""
    column = dataset.info.get(ROUND, np.full(len(dataset), None, dtype=object))
    return np.array([_number(value) for value in column], dtype=np.int64)


def sets_of(dataset: Columns) -> NDArray[Any]:
    """
    Return the set of each frame as of now, shape (n,).

    The column ``split``, in which audit frames of all rounds but the last count as
    ``train``: they have done their duty, and are labels like any other.
    """
    sets = np.array(dataset.info["split"], dtype=object)
    audits = is_audit(dataset)
    rounds = audit_rounds(dataset)
    newest = rounds[audits].max(initial=0)
    sets[audits & (rounds < newest)] = "train"
    return sets


def _number(value: Any) -> int:
    known = value is not None and value == value  # noqa: PLR0124 - NaN is not
    return int(value) if known else 0
