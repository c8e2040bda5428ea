"""
Columns of metadata: one value per frame, of one type per column.

A column is of type str, bool, int or float. Missing entries are None in a column of
str and NaN in one of numbers, so that columns of int and bool with missing entries
become float. A column that mixes str with other types becomes str. Any other value (a
list, an array, a dict) is kept as JSON text after the word `_JSON`, as ASE does in
extxyz files, and comes back as that value in ``atoms.info``.
"""

import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.io import checksum
from flowpot.dataset.where import Where

Column = NDArray[Any]
JSON_PREFIX = "_JSON "
"""Beginning of a text that stands for a value of another type."""
RESERVED = frozenset(
    (
        *("numbers", "positions", "cell", "pbc", "offsets"),
        *("energy", "forces", "stress", "free_energy", "virial"),
        *("REF_energy", "REF_forces", "REF_stress"),
        *("Lattice", "Properties", "species", "pos"),
        *(checksum.NAME, checksum.END_NAME),
        *("magmoms", "initial_magmoms", "charge", "spin"),
    )
)
"""Names that are no metadata, since files or other columns use them."""
_NAME = re.compile(r"""[^\s="'\[\]{},\\]+""")
_NOT_IN_FILES = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates, which files cannot hold."""
_COLUMN_TYPES = {"b": np.bool_, "i": np.int64, "f": np.float64}
_LARGEST_INT = 2**63 - 1


def as_column(
    values: Sequence[Any] | NDArray[Any], where: Where | None = None
) -> Column:
    """
    Make a column of one value per frame.

    Parameters
    ----------
    values
        The values, None where missing.
    where
        The file they come from, for messages.

    Returns
    -------
    numpy.ndarray
        Of dtype bool, int64, float64, or object (str and None).
    """
    if isinstance(values, np.ndarray):
        dtype = _COLUMN_TYPES.get(values.dtype.kind)
        if dtype is not None:
            return values.astype(dtype)
        values = values.tolist()
    plain = [plain_value(value) for value in values]
    kinds = {type(value) for value in plain} - {type(None)}
    missing = None in plain
    if not kinds or str in kinds:
        column = np.empty(len(plain), object)
        column[:] = [v if v is None or isinstance(v, str) else str(v) for v in plain]
        for frame, text in enumerate(column):
            if text is not None and _NOT_IN_FILES.search(text):
                raise (where or Where()).frame(
                    frame,
                    f"metadata {text!r} has a character that files cannot hold (NUL or "
                    "a lone surrogate): remove it",
                )
        return column
    if kinds == {bool} and not missing:
        return np.array(plain, bool)
    if float in kinds or missing:
        return np.array([np.nan if v is None else v for v in plain], np.float64)
    return np.array(plain, np.int64)


def plain_value(value: Any) -> str | bool | int | float | None:
    """
    Convert a value to one of a type that a column has.

    Raises
    ------
    TypeError
        Where it cannot be written as JSON.
    """
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        number = int(value)
        return number if abs(number) <= _LARGEST_INT else str(number)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
        if not isinstance(value, list):
            return plain_value(value)
    return JSON_PREFIX + json.dumps(value, default=_from_numpy)


def _from_numpy(value: Any) -> Any:
    """Convert numpy's types, which JSON does not know."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be kept as metadata")


def check_name(name: Any) -> None:
    """Raise ValueError where a column cannot have this name."""
    if fault := _fault_of(name):
        raise ValueError(f"metadata column {name!r}: {fault}")


def _fault_of(name: Any) -> str:
    """Say why a column cannot have a name, empty where it can."""
    if name in RESERVED:
        return "the name is taken, choose another"
    if not isinstance(name, str):
        return "give a text as its name"
    # A dot is the group itself in HDF5.
    if name == "." or not (_NAME.fullmatch(name) and name.isprintable()):
        return (
            "use printable characters, without spaces, commas, quotes, brackets, = or "
            "backslash, and more than a dot"
        )
    return ""


def checked_columns(
    columns: Mapping[str, Any], n: int, where: Where | None = None
) -> dict[str, Column]:
    """
    Convert columns to their types, and check their names and lengths.

    Parameters
    ----------
    columns
        Values of each column, by its name.
    n
        Number of frames.
    where
        The file they come from, for messages.

    Raises
    ------
    ValueError
        Where a name is taken or malformed, or a column has another length.
    """
    checked = {}
    for name, values in columns.items():
        check_name(name)
        if len(values) != n:
            raise ValueError(
                f"metadata column {name!r} has {len(values)} entries for {n} frames: "
                "give one per frame"
            )
        checked[name] = as_column(values, where)
    return checked


def with_columns(
    info: Mapping[str, Column], columns: Mapping[str, Any], n: int
) -> dict[str, Column]:
    """Return columns with some added, replaced or, where None, removed."""
    new = dict(info)
    for name, values in columns.items():
        new.pop(name, None)
        if values is None:
            continue
        is_one = isinstance(values, str | Real | np.generic) or np.ndim(values) == 0
        new |= checked_columns({name: [values] * n if is_one else values}, n)
    return new


def columns_of(
    records: Sequence[Mapping[str, Any]], where: Where | None = None
) -> dict[str, Column]:
    """
    Turn the metadata of each frame (``atoms.info``) into columns.

    `RESERVED` names are skipped. A column with a name that no column can have, or with
    a value that cannot be written as JSON, is dropped with a warning.
    """
    names = dict.fromkeys(name for record in records for name in record)
    columns = {}
    for name in names:
        if name in RESERVED:
            continue
        fault = _fault_of(name)
        try:
            values = [record.get(name) for record in records]
            if not fault:
                columns[name] = as_column(values, where)
        except TypeError as error:
            fault = str(error)
        if fault:
            n = sum(name in record for record in records)
            told = (where or Where()).error(f"metadata {name!r} is dropped")
            warnings.warn(f"{told}, which {n} frame(s) have: {fault}", stacklevel=2)
    return checked_columns(columns, len(records), where)


def records_of(info: Mapping[str, Column], n: int) -> Iterable[dict[str, Any]]:
    """Yield the metadata of each of n frames, without missing entries."""
    lists = {name: _entries(column) for name, column in info.items()}
    for frame in range(n):
        yield {
            name: entries[frame]
            for name, entries in lists.items()
            if entries[frame] is not None
        }


def _entries(column: Column) -> list[Any]:
    """Return the entries of a column as Python values, None where missing."""
    if column.dtype.kind == "f":
        return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124
    if column.dtype.kind == "O":
        return [_decoded(value) for value in column]
    return column.tolist()


def _decoded(text: str | None) -> Any:
    if text is None or not text.startswith(JSON_PREFIX):
        return text
    try:
        value = json.loads(text.removeprefix(JSON_PREFIX))
    except ValueError:
        return text
    array = np.array(value) if isinstance(value, list) else None
    return array if array is not None and array.dtype.kind in "ifb" else value


def missing_column(like: Column, n: int) -> Column:
    """Return n missing entries, of the type to append to a column."""
    if like.dtype.kind == "O":
        return np.full(n, None, object)
    return np.full(n, np.nan)


def join_columns(parts: Sequence[Column]) -> Column:
    """Concatenate columns; the result has a type that all entries can have."""
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) == 1:
        return np.concatenate(parts)
    if "O" in kinds:
        entries = (part if part.dtype.kind == "O" else _entries(part) for part in parts)
        return as_column([entry for values in entries for entry in values])
    common = np.float64 if "f" in kinds else np.int64
    return np.concatenate([part.astype(common) for part in parts])
