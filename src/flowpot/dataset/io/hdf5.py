"""
The HDF5 form of a dataset: each array of the Dataset is one HDF5 dataset.

Layout, version 1: attributes ``format`` and ``version``; ``numbers`` (uint8),
``positions``, ``cell``, ``pbc``, ``offsets``, and ``energy``, ``forces``, ``stress``,
``magmoms``, ``charge``, ``spin`` where any frame has them; group ``info`` with a
dataset per column, or, for a column of str, a group of ``codes`` (-1: missing) and
``categories``. Numbers are stored as they are: the last digits of floats do not
compress, and would cost ten times the time. The user block holds a checksum: see
`flowpot.dataset.io.checksum`.

Version 2 is what a file is that has `magmoms`, `charge` or `spin`: a flowpot that does
not know these refuses it, rather than read it without.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import checks, electronic_state
from flowpot.dataset.arrays import PER_ATOM, PER_FRAME
from flowpot.dataset.electronic_state import STATE
from flowpot.dataset.io import checksum
from flowpot.dataset.io.hdf5_probe import check_readable
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.where import Where

FORMAT = "flowpot dataset"
VERSION = 2
_WITHOUT_STATE = 1


def to_bytes(fields: Mapping[str, Any]) -> bytes:
    """Return the content of the HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=checksum.USER_BLOCK) as file:
        _write(file, fields)
    checksum.seal_hdf5(buffer)
    return buffer.getvalue()


def write(path: Path, fields: Mapping[str, Any]) -> None:
    """Write an HDF5 file."""
    with h5py.File(path, "w", userblock_size=checksum.USER_BLOCK) as file:
        _write(file, fields)
    with path.open("r+b") as whole:
        checksum.seal_hdf5(whole)


def _write(file: h5py.File, fields: Mapping[str, Any]) -> None:
    file.attrs["format"] = FORMAT
    optional = [
        name for name in (*PROPERTIES, *STATE) if not np.isnan(fields[name]).all()
    ]
    stated = any(name in STATE for name in optional)
    file.attrs["version"] = VERSION if stated else _WITHOUT_STATE
    for name in ("positions", "cell", "pbc", "offsets"):
        file[name] = fields[name]
    file["numbers"] = fields["numbers"].astype(np.uint8)
    for name in optional:
        file[name] = fields[name]
    group = file.create_group("info", track_order=True)
    for name, column in fields["info"].items():
        _write_column(group, quote(name, safe=""), column)


def _write_column(group: h5py.Group, name: str, column: Any) -> None:
    if column.dtype.kind != "O":
        group[name] = column
        return
    codes_of: dict[str | None, int] = {None: -1}
    # Codes in order of appearance; None is -1.
    codes = [codes_of.setdefault(text, len(codes_of) - 1) for text in column]
    held = group.create_group(name)
    held["codes"] = np.array(codes, np.int32)
    categories = [text for text in codes_of if text is not None]
    held.create_dataset("categories", data=categories, dtype=h5py.string_dtype())


def from_bytes(content: bytes) -> dict[str, Any]:
    """Read the content of an HDF5 file."""
    name = "the HDF5 content"
    checksum.check_hdf5(io.BytesIO(content), Where(name))
    (fields,) = _stream(io.BytesIO(content), name, None)
    return fields


def stream(path: Path, frames: int | None = None) -> Iterator[dict[str, Any]]:
    """
    Read an HDF5 file in pieces of some frames, or (None) at once.

    Yields
    ------
    dict
        The arrays of a Dataset.

    Raises
    ------
    ValueError
        Where the file is truncated, or is no dataset of flowpot.
    """
    with path.open("rb") as file:
        is_whole = checksum.check_hdf5(file, Where(str(path)))
    try:
        if not is_whole:
            check_readable(path)
    except OSError as error:
        raise _not_whole(str(path), error) from error
    return _stream(path, str(path), frames)


def _stream(source: Any, name: str, frames: int | None) -> Iterator[dict[str, Any]]:
    try:
        with h5py.File(source, "r") as file:
            _check_format(file, name)
            offsets = file["offsets"][()]
            n = len(offsets) - 1
            columns = {
                unquote(name): _column(held) for name, held in file["info"].items()
            }
            for start in range(0, max(n, 1), frames or max(n, 1)):
                piece = slice(start, min(start + (frames or n), n))
                fields = _read(file, offsets[piece.start : piece.stop + 1], piece)
                fields["info"] = {key: read(piece) for key, read in columns.items()}
                yield checks.checked(
                    electronic_state.completed(fields), Where(name, start)
                )
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise _not_whole(name, error) from error


def _not_whole(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"{name}: it is not a whole HDF5 dataset of flowpot ({error}): it may be "
        "truncated; write or copy it again"
    )


def _check_format(file: h5py.File, name: str) -> None:
    if file.attrs.get("format") != FORMAT:
        raise ValueError(
            f"{name}: it is HDF5, but not a flowpot dataset: convert it with "
            "Dataset.from_atoms(...).write(...)"
        )
    version = int(file.attrs["version"])
    if version > VERSION:
        raise ValueError(
            f"{name}: it has format version {version}, this flowpot reads up to "
            f"{VERSION}: upgrade flowpot"
        )


def _read(file: h5py.File, offsets: NDArray[np.int64], frames: slice) -> dict[str, Any]:
    """Read some consecutive frames, without their metadata."""
    atoms = slice(offsets[0], offsets[-1])
    rows = {**dict.fromkeys(PER_ATOM, atoms), **dict.fromkeys(PER_FRAME, frames)}
    absent = {name for name in (*PROPERTIES, *STATE) if name not in file}
    fields = {
        name: file[name][part] for name, part in rows.items() if name not in absent
    }
    return {**fields, "offsets": offsets - offsets[0]}


def _column(held: h5py.Dataset | h5py.Group) -> Callable[[slice], NDArray[Any]]:
    """Return the function that reads some frames' entries of a column."""
    if isinstance(held, h5py.Dataset):
        return held.__getitem__
    texts = np.array([*held["categories"].asstr()[()], None], object)
    return lambda frames: texts[held["codes"][frames]]
