"""Checks of the columns of a Dataset: each error names the frame and the remedy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import electronic_state, metadata
from flowpot.dataset.arrays import GEOMETRY, Arrays
from flowpot.dataset.geometry import collapse
from flowpot.dataset.labels import PROPERTIES, is_symmetric
from flowpot.dataset.where import Where

_LAST_ELEMENT = 118
_FLAT = 1e-6
"""A periodic cell is degenerate where its volume is under this share of the product of
its lengths."""


def checked(fields: Mapping[str, Any], where: Where | None = None) -> dict[str, Any]:
    """
    Convert the columns of a Dataset to their types, and check their content.

    Parameters
    ----------
    fields
        The columns, as the constructor of Dataset takes them.
    where
        The file they come from, for messages.

    Returns
    -------
    dict
        All columns; those of labels and of the electronic state that were None are
        filled with NaN.

    Raises
    ------
    ValueError
        Where an array has the wrong shape, or a frame is not usable.
    """
    where = where or Where()
    columns = _shaped(fields, where)
    _check_atoms(columns, where)
    _check_cells(columns, where)
    _check_labels(columns, where)
    electronic_state.check(columns, where)
    columns["stress"] = _symmetric(columns["stress"], where)
    n = len(columns["offsets"]) - 1
    columns["info"] = metadata.checked_columns(fields.get("info") or {}, n, where)
    return columns


def _shaped(fields: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """Check the shapes of the arrays, and convert them to their types."""
    offsets = np.asarray(fields["offsets"], np.int64)
    n, atoms = len(offsets) - 1, len(fields["numbers"])
    if n < 0 or offsets[0] != 0 or offsets[-1] != atoms:
        raise where.error(
            f"offsets must run from 0 to the number of atoms, {atoms}: give n + 1 "
            "values for n frames"
        )
    empty = np.flatnonzero(np.diff(offsets) <= 0)
    if len(empty):
        raise where.frame(empty[0], "it has no atoms: remove it")
    shapes = {
        "numbers": ((atoms,), np.int64),
        "positions": ((atoms, 3), np.float64),
        "cell": ((n, 3, 3), np.float64),
        "pbc": ((n, 3), np.bool_),
        "energy": ((n,), np.float64),
        "forces": ((atoms, 3), np.float64),
        "stress": ((n, 3, 3), np.float64),
        "magmoms": ((atoms,), np.float64),
        "charge": ((n,), np.float64),
        "spin": ((n,), np.float64),
    }
    columns: dict[str, Any] = {"offsets": offsets}
    for name, (shape, dtype) in shapes.items():
        value = fields.get(name)
        array = np.full(shape, np.nan) if value is None else np.asarray(value, dtype)
        if array.shape != shape:
            raise where.error(
                f"{name} has shape {array.shape}, {n} frames of {atoms} atoms in all "
                f"need {shape}"
            )
        columns[name] = array
    return columns


def _check_atoms(fields: Mapping[str, Any], where: Where) -> None:
    numbers, offsets = fields["numbers"], fields["offsets"]
    unknown = np.flatnonzero((numbers < 1) | (numbers > _LAST_ELEMENT))
    if len(unknown):
        raise where.frame(
            frame_of(unknown[0], offsets),
            f"atomic number {numbers[unknown[0]]} is no element: use 1 to 118",
        )
    bad = first_not_finite(fields["positions"])
    if bad is not None:
        frame = frame_of(bad, offsets)
        raise where.frame(
            frame,
            f"the position of atom {bad - offsets[frame]} is "
            f"{fields['positions'][bad]}: remove the frame",
        )


def _check_cells(fields: Mapping[str, Any], where: Where) -> None:
    cell, pbc = fields["cell"], fields["pbc"]
    bad = first_not_finite(cell)
    if bad is not None:
        raise where.frame(bad, "its cell is not finite: remove the frame")
    # Gram determinant of the periodic vectors: their volume, area or length squared.
    periodic = cell * pbc[:, :, None]
    gram = periodic @ periodic.transpose(0, 2, 1)
    lengths = np.where(pbc, np.sqrt(np.einsum("nii->ni", gram)), 1.0)
    gram[:, np.arange(3), np.arange(3)] += ~pbc
    volume = np.sqrt(np.clip(np.linalg.det(gram), 0, None))
    flat = np.flatnonzero(volume <= _FLAT * lengths.prod(axis=1))
    if len(flat):
        axes = "".join("FT"[int(axis)] for axis in pbc[flat[0]])
        raise where.frame(
            flat[0],
            f"its cell has no volume along the periodic axes (pbc {axes}): give it a "
            "cell, or set pbc to False",
        )
    collapse.check_cells(Arrays(**{name: fields[name] for name in GEOMETRY}), where)


def _check_labels(fields: Mapping[str, Any], where: Where) -> None:
    offsets = fields["offsets"]
    for name in PROPERTIES:
        values = fields[name]
        bad = first_not_finite(values)
        if bad is None:
            continue
        infinite = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if len(infinite):
            row = infinite[0]
            frame = frame_of(row, offsets) if name == "forces" else row
            raise where.frame(frame, f"its {name} is infinite: remove the frame")
        absent = np.isnan(values).reshape(len(values), -1)
        some = absent.any(axis=1) != absent.all(axis=1)
        if name == "forces":
            missing = np.add.reduceat(absent.all(axis=1), offsets[:-1], dtype=np.int64)
            partial = (missing > 0) & (missing < np.diff(offsets))
            some = partial | np.logical_or.reduceat(some, offsets[:-1])
        if some.any():
            raise where.frame(
                np.argmax(some),
                f"its {name} is NaN in part: remove the frame, or make it NaN "
                "throughout to say that it has none",
            )


def _symmetric(stress: NDArray[np.float64], where: Where) -> NDArray[np.float64]:
    """Check that stress tensors are symmetric, and make them exactly so."""
    transposed = stress.transpose(0, 2, 1)
    if np.array_equal(stress, transposed, equal_nan=True):
        return stress
    skew = ~is_symmetric(stress)
    if skew.any():
        raise where.frame(
            np.argmax(skew),
            "its stress is not symmetric: check the order of components",
        )
    return 0.5 * (stress + transposed)


def first_not_finite(values: NDArray[np.float64]) -> int | None:
    """Return the first row that has NaN or infinity in it, None where none has."""
    finite = np.isfinite(values)
    if finite.all():
        return None
    return int(np.argmin(finite.reshape(len(values), -1).all(axis=1)))


def frame_of(atom: int, offsets: NDArray[np.int64]) -> int:
    """Return the frame that a row of the per-atom arrays belongs to."""
    return int(np.searchsorted(offsets, atom, side="right")) - 1
