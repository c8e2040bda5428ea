"""Which axes of frames are periodic, as callers and files say it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Periodicity = bool | str | Sequence[bool]
"""Which axes are periodic: all or none, three of T and F, or three truth values."""
_AXES = 3


def periodic_axes(pbc: Periodicity) -> tuple[bool, bool, bool]:
    """
    Return which of the three axes are periodic.

    Raises
    ------
    ValueError
        Where that is not clear from `pbc`.

    Examples
    --------
    >>> periodic_axes("TTF"), periodic_axes(False)
    ((True, True, False), (False, False, False))
    """
    if isinstance(pbc, bool):
        return (pbc, pbc, pbc)
    letters: dict[Any, bool] = {"T": True, "F": False}
    values = pbc if isinstance(pbc, Iterable) else ()
    axes = [letters.get(value, value) for value in values]
    if len(axes) != _AXES or not all(
        isinstance(axis, bool | np.bool_) for axis in axes
    ):
        raise ValueError(
            f"pbc is {pbc!r}: give True, False, three of T and F such as 'TTF', or "
            "three truth values"
        )
    return bool(axes[0]), bool(axes[1]), bool(axes[2])
