"""The columns of frames of different sizes: hold, select and join them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset import metadata

Fields = Mapping[str, Any]
"""The columns of a Dataset by name, as its constructor takes them."""
GEOMETRY = ("numbers", "positions", "cell", "pbc", "offsets")
"""Columns that every frame has."""
PER_ATOM = ("numbers", "positions", "forces", "magmoms")
"""Columns of one entry per atom."""
PER_FRAME = ("cell", "pbc", "energy", "stress", "charge", "spin")
"""Columns of one entry per frame."""
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
"""These columns of no frames."""


@dataclass(frozen=True, eq=False, repr=False)
class Arrays:
    """
    Geometry of n frames, of A atoms in all.

    A Dataset is an `Arrays`, so that what takes this takes a Dataset, too. Nothing is
    checked here, and nothing copied.

    Parameters
    ----------
    numbers, positions, cell, pbc, offsets
        See :class:`flowpot.Dataset`.

    Examples
    --------
    >>> from ase.build import bulk
    >>> frames = Arrays.joined([Arrays.of_atoms(bulk(name)) for name in ("Si", "Cu")])
    >>> frames.n_atoms, frames.rows, frames.frame(1).numbers
    (array([2, 1]), [slice(0, 2, None), slice(2, 3, None)], array([29]))
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    @classmethod
    def of_atoms(cls, atoms: Atoms) -> "Arrays":
        """Return the geometry of one ASE frame, without a copy."""
        return Arrays(
            atoms.numbers,
            atoms.positions,
            atoms.cell.array[None],
            atoms.pbc[None],
            np.array([0, len(atoms)]),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Arrays]") -> "Arrays":
        """Return the frames of one or more parts, in order."""
        sizes = np.concatenate([np.diff(part.offsets) for part in parts])
        return Arrays(
            numbers=np.concatenate([part.numbers for part in parts]),
            positions=np.concatenate([part.positions for part in parts]),
            cell=np.concatenate([part.cell for part in parts]),
            pbc=np.concatenate([part.pbc for part in parts]),
            offsets=np.concatenate([[0], np.cumsum(sizes)]),
        )

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.offsets) - 1

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each frame, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def is_isolated_atom(self) -> NDArray[np.bool_]:
        """Whether each frame is one atom without periodic axes, shape (n,)."""
        return (self.n_atoms == 1) & ~self.pbc.any(axis=1)

    @property
    def rows(self) -> list[slice]:
        """Rows of each frame in the per-atom arrays."""
        return [slice(*bounds) for bounds in pairwise(self.offsets.tolist())]

    def frame(self, index: int) -> "Arrays":
        """Return the geometry of one frame, without a copy."""
        return self.between(index, index + 1)

    def between(self, start: int, stop: int) -> "Arrays":
        """Return the geometry of the frames from `start` to `stop`, without a copy."""
        offsets = self.offsets[start : stop + 1]
        atoms = slice(offsets[0], offsets[-1])
        return Arrays(
            self.numbers[atoms],
            self.positions[atoms],
            self.cell[start:stop],
            self.pbc[start:stop],
            offsets - offsets[0],
        )

    def copied(self) -> "Arrays":
        """Return the geometry in arrays that share no memory with these."""
        return Arrays(
            self.numbers.copy(),
            self.positions.copy(),
            self.cell.copy(),
            self.pbc.copy(),
            self.offsets.copy(),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Columns(Arrays):
    """
    All columns of a Dataset: geometry, labels, metadata and electronic state.

    The parameters are those of `flowpot.dataset.Dataset`, which checks and completes
    them; whatever only reads a Dataset's columns takes this class.
    """

    energy: NDArray[np.float64] = None  # type: ignore[assignment]
    forces: NDArray[np.float64] = None  # type: ignore[assignment]
    stress: NDArray[np.float64] = None  # type: ignore[assignment]
    info: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    magmoms: NDArray[np.float64] = None  # type: ignore[assignment]
    charge: NDArray[np.float64] = None  # type: ignore[assignment]
    spin: NDArray[np.float64] = None  # type: ignore[assignment]

    @property
    def fields(self) -> dict[str, Any]:
        """The columns by name, as the constructor takes them."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def column(self, name: str, missing: Any = None) -> NDArray[Any]:
        """Return a column of metadata; n times `missing` where there is none."""
        if name in self.info:
            return self.info[name]
        kind = object if missing is None or isinstance(missing, str) else None
        return np.full(len(self), missing, kind)

    def has_any(self, name: str) -> bool:
        """Return whether any frame has a label, or a part of an electronic state."""
        return not np.isnan(getattr(self, name)).all()

    @property
    def has_forces(self) -> NDArray[np.bool_]:
        """Whether each frame has forces, shape (n,)."""
        # A frame's forces are present or absent as a whole, so its first row decides.
        return ~np.isnan(self.forces[self.offsets[:-1], 0])

    @property
    def has_magmoms(self) -> NDArray[np.bool_]:
        """Whether each frame has initial magnetic moments, shape (n,)."""
        return ~np.isnan(self.magmoms[self.offsets[:-1]])

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Whether each frame has an energy and forces, shape (n,)."""
        return np.isfinite(self.energy) & self.has_forces


def owned(fields: Fields) -> dict[str, Any]:
    """Return columns, with copies of the arrays that other code could change."""
    return {
        name: value.copy()
        if isinstance(value, np.ndarray) and value.flags.writeable
        else value
        for name, value in fields.items()
    }


def frozen(fields: Fields) -> dict[str, Any]:
    """Return read-only views of columns."""
    new = {k: _read_only(v) for k, v in fields.items() if k != "info"}
    columns = {k: _read_only(v) for k, v in fields["info"].items()}
    return {**new, "info": MappingProxyType(columns)}


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def select(fields: Fields, index: Any) -> dict[str, Any]:
    """
    Return the columns of some frames.

    Parameters
    ----------
    fields
        The columns of a Dataset of n frames.
    index
        A slice, a boolean mask of shape (n,), or frame numbers.

    Raises
    ------
    IndexError
        Where the mask has another length, or there is no such frame.
    TypeError
        Where the index is none of these.
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
    """Return an index as a contiguous slice where possible, else as frame numbers."""
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
    """Return the columns of several datasets together, in order."""
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
    joined["info"] = {}
    for name in dict.fromkeys(name for part in parts for name in part["info"]):
        example = next(part["info"][name] for part in parts if name in part["info"])
        columns = [
            part["info"].get(name, metadata.missing_column(example, len(count)))
            for part, count in zip(parts, counts, strict=True)
            if len(count)
        ]
        joined["info"][name] = metadata.join_columns(columns or [example])
    return joined
