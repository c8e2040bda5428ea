"""Datasets from and to files, by suffix."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from flowpot.dataset import extxyz_read, extxyz_write, hdf5, selection
from flowpot.dataset.labels import LabelKeys
from flowpot.dataset.storage import replacing

HDF5_SUFFIXES = (".h5", ".hdf5")
EXTXYZ_SUFFIXES = (".xyz", ".extxyz")
_LONG = 100_000_000
"""Reading this many bytes takes long enough to show progress."""
Paths = str | Path | Iterable[str | Path]


def stream(
    path: Paths,
    *,
    frames: int | None = None,
    keys: LabelKeys | None = None,
    progress: bool | None = None,
) -> Iterator[dict[str, Any]]:
    """Read files piece by piece: see `Dataset.stream`."""
    given = [path] if isinstance(path, str | Path) else path
    paths = [Path(each).expanduser() for each in given]
    sizes = {each: _size(each) for each in paths}
    if frames is not None and frames < 1:
        raise ValueError(f"frames is {frames}: give the frames per piece, at least 1")
    with _progress_bar(sum(sizes.values()), progress) as advance:
        for file in paths:
            if _is_hdf5(file):
                yield from hdf5.stream(file, frames)
                advance(sizes[file])
            else:
                for piece in extxyz_read.stream(file, keys=keys, advance=advance):
                    yield from _cut(piece, frames)


def _size(path: Path) -> int:
    """Give the size of a file that can be read, before anything is read."""
    _is_hdf5(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    return path.stat().st_size


def _cut(fields: Mapping[str, Any], frames: int | None) -> Iterator[dict[str, Any]]:
    """Cut a piece into pieces of some frames."""
    n = len(fields["offsets"]) - 1
    step = frames or n
    for start in range(0, n, step):
        yield selection.select(fields, slice(start, start + step))


@contextmanager
def _progress_bar(total: int, show: bool | None) -> Iterator[Callable[[int], None]]:
    """Show how many bytes of a total are read; give the function that counts them."""
    if show is None:
        show = total >= _LONG and sys.stderr.isatty()
    columns = (
        *("[progress.description]{task.description}", BarColumn()),
        *(DownloadColumn(), TimeRemainingColumn()),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not show) as bar:
        task = bar.add_task("reading frames", total=total)
        yield lambda count: bar.advance(task, count)


def write(
    fields: Mapping[str, Any], path: Path, *, keys: LabelKeys, fill: bool
) -> Path:
    """Write a file, whole or not at all: see `Dataset.write`."""
    path = path.expanduser()
    as_hdf5 = _is_hdf5(path)
    with replacing(path) as temporary:
        if as_hdf5:
            hdf5.write(temporary, fields)
        else:
            extxyz_write.write(temporary, fields, keys, fill=fill)
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
