"""Datasets from and to files, by suffix."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flowpot.dataset import extxyz, hdf5, selection
from flowpot.dataset.labels import LabelKeys
from flowpot.dataset.storage import replacing

HDF5_SUFFIXES = (".h5", ".hdf5")
EXTXYZ_SUFFIXES = (".xyz", ".extxyz")
Paths = str | Path | Iterable[str | Path]


def stream(
    path: Paths,
    *,
    frames: int | None = None,
    keys: LabelKeys | None = None,
    progress: bool | None = None,
) -> Iterator[dict[str, Any]]:
    """Read files piece by piece: see `Dataset.stream`."""
    for each in [path] if isinstance(path, str | Path) else path:
        file = Path(each).expanduser()
        if _is_hdf5(file):
            yield from hdf5.stream(file, frames)
        else:
            yield from extxyz.stream(file, frames, keys)


def write(fields: Mapping[str, Any], path: Path, *, keys: LabelKeys) -> Path:
    """Write a file, whole or not at all: see `Dataset.write`."""
    path = path.expanduser()
    hdf5_form = _is_hdf5(path)
    with replacing(path) as temporary:
        if hdf5_form:
            hdf5.write(temporary, fields)
        else:
            extxyz.write(temporary, fields, keys)
    return path


def _is_hdf5(path: Path) -> bool:
    if path.suffix in HDF5_SUFFIXES:
        return True
    if path.suffix in EXTXYZ_SUFFIXES:
        return False
    raise ValueError(
        f"{path}: the suffix {path.suffix!r} is not known, use one of "
        f"{', '.join((*EXTXYZ_SUFFIXES, *HDF5_SUFFIXES))}"
    )
