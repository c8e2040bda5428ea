"""Read and write files, in the format that their suffix names."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from flowpot.dataset import arrays, checks
from flowpot.dataset.arrays import Columns
from flowpot.dataset.io import deepmd, hdf5, structure_files
from flowpot.dataset.io.extxyz import read as extxyz_read
from flowpot.dataset.io.extxyz import write as extxyz_write
from flowpot.dataset.io.periodicity import Periodicity, periodic_axes
from flowpot.dataset.labels import PROPERTIES, LabelKeys
from flowpot.dataset.storage import replacing, umask
from flowpot.dataset.where import Where
from flowpot.settings import given_path
from flowpot.validation import instance

HDF5_SUFFIXES = (".h5", ".hdf5")
EXTXYZ_SUFFIXES = (".xyz", ".extxyz")
_LONG = 100_000_000
"""Files of this many bytes take long enough to show progress."""
Paths = str | Path | Iterable[str | Path]
"""One file, or several."""


def stream(
    path: Paths,
    *,
    frames: int | None = None,
    keys: LabelKeys | None = None,
    labels: bool = True,
    pbc: Periodicity | None = None,
    progress: bool | None = None,
) -> Iterator[dict[str, Any]]:
    """Read files piece by piece: see `Dataset.stream`."""
    instance(LabelKeys, keys=keys)
    names = [path] if isinstance(path, str | Path) else path
    paths = [given_path(name) for name in names]
    axes = None if pbc is None else periodic_axes(pbc)
    sizes = {file: _size(file) for file in paths}
    if frames is not None and frames < 1:
        raise ValueError(f"frames is {frames}: give the frames per piece, at least 1")
    with _progress_bar(sum(sizes.values()), progress) as advance:
        for file in paths:
            for fields in _pieces(file, frames, keys, axes, advance, labels=labels):
                piece = fields if labels else fields | dict.fromkeys(PROPERTIES)
                if axes is not None:
                    piece = piece | {"pbc": np.tile(axes, (len(fields["cell"]), 1))}
                if piece is not fields:
                    piece = checks.checked(piece, Where(str(file)))
                n = len(piece["offsets"]) - 1
                step = frames or max(n, 1)
                for start in range(0, n, step):
                    yield arrays.select(piece, slice(start, start + step))


def _pieces(
    path: Path,
    frames: int | None,
    keys: LabelKeys | None,
    axes: tuple[bool, bool, bool] | None,
    advance: Callable[[int], None],
    *,
    labels: bool,
) -> Iterator[dict[str, Any]]:
    """Read one file, in pieces of the size that suits its format."""
    if path.is_dir():
        yield from deepmd.stream(path)
    elif path.suffix in EXTXYZ_SUFFIXES:
        yield from extxyz_read.stream(path, keys=keys, labels=labels, advance=advance)
        return
    elif path.suffix in HDF5_SUFFIXES:
        yield from hdf5.stream(path, frames)
    else:
        yield structure_files.read(path, labels=labels, keys=keys, pbc=axes)
    advance(_size(path))


def _size(path: Path) -> int:
    """Return the size of a file or folder (bytes), if it is there."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    return path.stat().st_size


@contextmanager
def _progress_bar(total: int, show: bool | None) -> Iterator[Callable[[int], None]]:
    """Show the bytes read of a total; yield the function that adds to their number."""
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


def write(columns: Columns, path: Path, *, keys: LabelKeys, fill: bool) -> Path:
    """Write the columns of a Dataset to a file: see `Dataset.write`."""
    instance(LabelKeys, keys=keys)
    path = given_path(path)
    if path.suffix == deepmd.SUFFIX:
        with _new_folder(path) as temporary:
            deepmd.write(temporary, columns)
    elif path.suffix in HDF5_SUFFIXES:
        with replacing(path) as temporary:
            hdf5.write(temporary, columns)
    elif path.suffix in EXTXYZ_SUFFIXES:
        with replacing(path) as temporary:
            extxyz_write.write(temporary, columns, keys, fill=fill)
    else:
        raise ValueError(
            f"{path}: the suffix {path.suffix!r} is not known, use one of "
            f"{', '.join((*EXTXYZ_SUFFIXES, *HDF5_SUFFIXES, deepmd.SUFFIX))}"
        )
    return path


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` at the end."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"{path}: it is there and not empty: remove it, or give another name"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~umask())
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
