"""
Datasets in HDF5: each column of the Dataset is one HDF5 dataset.

Layout, version 1: attributes ``format`` and ``version``; ``numbers`` (uint8),
``positions``, ``cell``, ``pbc``, ``offsets``, and ``energy``, ``forces``, ``stress``,
``magmoms``, ``charge``, ``spin`` where any frame has them; group ``info`` with a
dataset per column, or, for a column of str, a group of ``codes`` (-1: missing) and
``categories``. Numbers are not compressed: the last digits of floats do not compress,
and trying takes ten times as long. The user block holds a checksum: see
`flowpot.dataset.io.checksum`.

Files with `magmoms`, `charge` or `spin` have version 2: an earlier flowpot, which does
not know these, refuses them rather than read them without.
"""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import checks, electronic_state
from flowpot.dataset.arrays import PER_ATOM, PER_FRAME, Columns
from flowpot.dataset.electronic_state import STATE
from flowpot.dataset.io import checksum
from flowpot.dataset.labels import PROPERTIES
from flowpot.dataset.where import Where

FORMAT = "flowpot dataset"
VERSION = 2
_WITHOUT_STATE = 1
"""Version of files without an electronic state."""

_LEAST_SECONDS = 30.0
_BYTES_A_SECOND = 20_000_000
_READ_ALL = """
import sys, h5py
def read(name, item):
    if isinstance(item, h5py.Dataset):
        for rows in (range(0, len(item), 100_000) if item.shape else ()):
            item[rows:rows + 100_000]
with h5py.File(sys.argv[1], "r") as file:
    file.visititems(read)
"""
"""Program that reads a whole file."""


def to_bytes(columns: Columns) -> bytes:
    """Return the columns of a Dataset as the content of an HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=checksum.USER_BLOCK) as file:
        _write(file, columns)
    checksum.seal_hdf5(buffer)
    return buffer.getvalue()


def write(path: Path, columns: Columns) -> None:
    """Write the columns of a Dataset to an HDF5 file."""
    with h5py.File(path, "w", userblock_size=checksum.USER_BLOCK) as file:
        _write(file, columns)
    with path.open("r+b") as whole:
        checksum.seal_hdf5(whole)


def _write(file: h5py.File, columns: Columns) -> None:
    file.attrs["format"] = FORMAT
    optional = [name for name in (*PROPERTIES, *STATE) if columns.has_any(name)]
    stated = any(name in STATE for name in optional)
    file.attrs["version"] = VERSION if stated else _WITHOUT_STATE
    for name in ("positions", "cell", "pbc", "offsets"):
        file[name] = getattr(columns, name)
    file["numbers"] = columns.numbers.astype(np.uint8)
    for name in optional:
        file[name] = getattr(columns, name)
    group = file.create_group("info", track_order=True)
    for name, column in columns.info.items():
        quoted = quote(name, safe="")
        if column.dtype.kind != "O":
            group[quoted] = column
            continue
        # Texts are numbered in the order in which they appear.
        codes_of: dict[str | None, int] = {None: -1}
        codes = [codes_of.setdefault(text, len(codes_of) - 1) for text in column]
        texts = group.create_group(quoted)
        texts["codes"] = np.array(codes, np.int32)
        categories = [text for text in codes_of if text is not None]
        texts.create_dataset("categories", data=categories, dtype=h5py.string_dtype())


def from_bytes(content: bytes) -> dict[str, Any]:
    """
    Read the columns of a Dataset from the content of an HDF5 file.

    Raises
    ------
    ValueError
        Where the content is damaged, or is no dataset of flowpot.
    """
    name = "the HDF5 content"
    checksum.check_hdf5(io.BytesIO(content), Where(name))
    (fields,) = _stream(io.BytesIO(content), name, None)
    return fields


def stream(path: Path, frames: int | None = None) -> Iterator[dict[str, Any]]:
    """
    Read an HDF5 file piece by piece.

    Parameters
    ----------
    path
        The file.
    frames
        Frames per piece; None: all in one piece.

    Yields
    ------
    dict
        The columns of a Dataset.

    Raises
    ------
    ValueError
        Where the file is truncated, or is no dataset of flowpot.
    """
    with path.open("rb") as file:
        has_checksum = checksum.check_hdf5(file, Where(str(path)))
    try:
        if not has_checksum:
            _check_readable(path)
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
                unquote(name): _column(stored) for name, stored in file["info"].items()
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


def _check_readable(path: Path) -> None:
    """
    Read a file without a checksum in a process of its own; raise OSError if that fails.

    Where the structure of such a file, of an earlier version, is damaged, the HDF5
    library may never return, or end the process.
    """
    limit = _LEAST_SECONDS + path.stat().st_size / _BYTES_A_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-c", _READ_ALL, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"reading it does not end within {limit:.0f} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise OSError(last[0])


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
    """Read the columns of consecutive frames, except for their metadata."""
    atoms = slice(offsets[0], offsets[-1])
    rows = {**dict.fromkeys(PER_ATOM, atoms), **dict.fromkeys(PER_FRAME, frames)}
    absent = {name for name in (*PROPERTIES, *STATE) if name not in file}
    fields = {
        name: file[name][part] for name, part in rows.items() if name not in absent
    }
    return {**fields, "offsets": offsets - offsets[0]}


def _column(stored: h5py.Dataset | h5py.Group) -> Callable[[slice], NDArray[Any]]:
    """Return the function that reads the entries of some frames in a column."""
    if isinstance(stored, h5py.Dataset):
        return stored.__getitem__
    texts = np.array([*stored["categories"].asstr()[()], None], object)
    return lambda frames: texts[stored["codes"][frames]]
