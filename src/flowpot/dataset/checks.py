"""Checks of the columns of a Dataset: each error names the frame and the remedy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import electronic_state, metadata
from flowpot.dataset.arrays import GEOMETRY, Arrays
from flowpot.dataset.geometry import collapse
from flowpot.dataset.geometry.soundness import check_sound, first_not_finite, frame_of
from flowpot.dataset.labels import PROPERTIES, is_symmetric
from flowpot.dataset.where import Where

_LAST_ELEMENT = 118


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
        filled with NaN, except that an isolated atom that has an energy has forces.

    Raises
    ------
    ValueError
        Where an array has the wrong shape, or a frame is not usable.
    """
    where = where or Where()
    columns = _shaped(fields, where)
    _check_elements(columns, where)
    geometry = Arrays(**{name: columns[name] for name in GEOMETRY})
    check_sound(geometry, where)
    collapse.check_cells(geometry, where)
    _check_labels(columns, where)
    columns["forces"] = _with_vanishing(columns, geometry)
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


def _check_elements(fields: Mapping[str, Any], where: Where) -> None:
    numbers, offsets = fields["numbers"], fields["offsets"]
    unknown = np.flatnonzero((numbers < 1) | (numbers > _LAST_ELEMENT))
    if len(unknown):
        raise where.frame(
            frame_of(unknown[0], offsets),
            f"atomic number {numbers[unknown[0]]} is no element: use 1 to 118",
        )


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


def _with_vanishing(
    columns: Mapping[str, Any], geometry: Arrays
) -> NDArray[np.float64]:
    """Return the forces, with those of isolated atoms: by symmetry they are zero."""
    forces: NDArray[np.float64] = columns["forces"]
    alone = geometry.is_isolated_atom & np.isfinite(columns["energy"])
    atoms = geometry.offsets[:-1][alone]
    atoms = atoms[np.isnan(forces[atoms, 0])]
    if len(atoms):
        forces = forces.copy()
        forces[atoms] = 0.0
    return forces


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
