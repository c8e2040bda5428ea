"""Select and join frames of columnar arrays, copying no more than the result."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import metadata

Fields = Mapping[str, Any]
PER_ATOM = ("numbers", "positions", "forces", "magmoms")
PER_FRAME = ("cell", "pbc", "energy", "stress", "charge", "spin")
EMPTY = {
    "numbers": np.empty(0, np.int64),
    "positions": np.empty((0, 3)),
    "cell": np.empty((0, 3, 3)),
    "pbc": np.empty((0, 3), bool),
    "energy": np.empty(0),
    "forces": np.empty((0, 3)),
    "stress": np.empty((0, 3, 3)),
    "magmoms": np.empty(0),
    "charge": np.empty(0),
    "spin": np.empty(0),
}


def owned(fields: Fields) -> dict[str, Any]:
    """Copy the arrays that someone else could change; columns are copied anyway."""
    return {name: _owned(value) for name, value in fields.items()}


def _owned(value: Any) -> Any:
    shared = isinstance(value, np.ndarray) and value.flags.writeable
    return value.copy() if shared else value


def frozen(fields: Fields) -> dict[str, Any]:
    """Return read-only views of the arrays: a Dataset never changes."""
    new = {k: _read_only(v) for k, v in fields.items() if k != "info"}
    columns = {k: _read_only(v) for k, v in fields["info"].items()}
    return {**new, "info": MappingProxyType(columns)}


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def select(fields: Fields, index: Any) -> dict[str, Any]:
    """
    Return the frames of an index.

    Parameters
    ----------
    fields
        The arrays of a Dataset of n frames.
    index
        A slice, a boolean mask of shape (n,), or frame numbers.
    """
    offsets = fields["offsets"]
    n = len(offsets) - 1
    chosen = _frame_numbers(index, n)
    if isinstance(chosen, slice):
        atoms: Any = slice(offsets[chosen.start], offsets[chosen.stop])
        new_offsets = offsets[chosen.start : chosen.stop + 1] - offsets[chosen.start]
    else:
        counts = offsets[chosen + 1] - offsets[chosen]
        new_offsets = np.concatenate([[0], np.cumsum(counts)])
        shift = np.repeat(offsets[chosen] - new_offsets[:-1], counts)
        atoms = np.add(shift, np.arange(len(shift)), out=shift)
    picked = {name: fields[name][atoms] for name in PER_ATOM}
    picked |= {name: fields[name][chosen] for name in PER_FRAME}
    columns = {name: column[chosen] for name, column in fields["info"].items()}
    return {**picked, "offsets": new_offsets, "info": columns}


def _frame_numbers(index: Any, n: int) -> slice | NDArray[np.int64]:
    """Return a contiguous slice where possible, else the frame numbers."""
    if isinstance(index, slice):
        start, stop, step = index.indices(n)
        if step == 1:
            return slice(start, max(start, stop))
        return np.arange(start, stop, step)
    array = np.asarray(index)
    if array.dtype == bool:
        if array.shape != (n,):
            raise IndexError(f"a mask of shape {array.shape} for {n} frames")
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(
            f"frames are chosen by an int, slice, mask or ints, not by {index!r}"
        )
    array = array.astype(np.int64)
    if array.size and not (-n <= array.min() and array.max() < n):
        raise IndexError(f"frame numbers outside a dataset of {n} frames: {index}")
    return np.where(array < 0, array + n, array)


def concatenate(parts: Sequence[Fields]) -> dict[str, Any]:
    """Join the frames of several datasets, in order."""
    if len(parts) == 1:
        return dict(parts[0])
    joined: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts] or [EMPTY[name]])
        for name in (*PER_ATOM, *PER_FRAME)
    }
    counts = [np.diff(part["offsets"]) for part in parts]
    joined["offsets"] = np.concatenate(
        [[0], np.cumsum(np.concatenate(counts or [[]]))]
    ).astype(np.int64)
    joined["info"] = _join_info(parts, [len(count) for count in counts])
    return joined


def _join_info(parts: Sequence[Fields], sizes: Sequence[int]) -> dict[str, Any]:
    names = dict.fromkeys(name for part in parts for name in part["info"])
    columns = {}
    for name in names:
        example = next(part["info"][name] for part in parts if name in part["info"])
        columns[name] = metadata.join_columns(
            [
                part["info"].get(name, metadata.missing_column(example, size))
                for part, size in zip(parts, sizes, strict=True)
                if size
            ]
            or [example]
        )
    return columns
