"""Read extxyz, many frames at a time."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import checks, info
from flowpot.dataset.conversion import label_arrays
from flowpot.dataset.extxyz_comment import parse_comment
from flowpot.dataset.extxyz_table import Body, Layout, parse_layout, read_table
from flowpot.dataset.labels import ASE_KEYS, MACE_KEYS, PROPERTIES, LabelKeys
from flowpot.dataset.where import Where

_BYTES_AT_ONCE = 2**25
_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
_NOT_INFO = frozenset(("Lattice", "Properties", "pbc"))


class _Frame(NamedTuple):
    """One frame as found in the file."""

    values: dict[str, Any]
    body: Body


@dataclass
class _Reading:
    """A file that is being read, and what was found in it so far."""

    path: Path
    keys: LabelKeys | None
    frames: int = 0
    lines: int = 0
    layouts: dict[str, Layout] = field(default_factory=dict)
    used: dict[str, tuple[str, int]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    broken: ValueError | None = None

    @property
    def where(self) -> Where:
        return Where(str(self.path))

    @property
    def candidates(self) -> tuple[LabelKeys, ...]:
        return (MACE_KEYS, ASE_KEYS) if self.keys is None else (self.keys,)


def stream(
    path: Path,
    *,
    keys: LabelKeys | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """
    Read a file in pieces of some 30 MB.

    Parameters
    ----------
    path
        The file.
    keys
        The names of its labels. None: MACE's, then ASE's.
    advance
        Called with the number of bytes of each piece, once it is read.

    Yields
    ------
    dict
        The arrays of a Dataset.

    Raises
    ------
    ValueError
        Where the file is empty, truncated or malformed, a label is named in two ways,
        or none has the names given.
    """
    reading = _Reading(path, keys)
    with path.open("rb") as file:
        rest = b""
        for chunk in _chunks(file):
            rest += chunk
            frames, used = _split(rest, reading)
            if frames:
                yield _fields(frames, reading)
            if reading.broken:
                raise reading.broken
            rest = rest[used:]
            advance(len(chunk))
    _check_end(rest, reading)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Cut a file; its last line ends with a line feed, whether it does or not."""
    last = b"\n"
    while chunk := file.read(_BYTES_AT_ONCE):
        yield chunk
        last = chunk[-1:]
    if last != b"\n":
        yield b"\n"


def _split(data: bytes, reading: _Reading) -> tuple[list[_Frame], int]:
    """Find the whole frames of some text, and where the rest begins."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).tolist()
    frames = []
    line = 0
    while line < len(ends):
        start = ends[line - 1] + 1 if line else 0
        header = data[start : ends[line]].strip()
        n_atoms = int(header) if header.isdigit() else -1
        if header and n_atoms < 1:
            # Raised once the frames before it, which may be the cause, are read.
            reading.broken = _no_count(header, reading, line)
            break
        last = line + 1 + n_atoms
        if last >= len(ends):
            break
        if header:
            first = reading.lines + line + 3
            text = data[ends[line + 1] + 1 : ends[last] + 1]
            body = Body(text, n_atoms, reading.frames, first)
            comment = data[ends[line] + 1 : ends[line + 1]]
            frames.append(_Frame(_values(comment, reading), body))
            reading.frames += 1
        line = last + 1
    reading.lines += line
    return frames, ends[line - 1] + 1 if line else 0


def _no_count(header: bytes, reading: _Reading, line: int) -> ValueError:
    """Give the error of a line that should give a frame's number of atoms."""
    return reading.where.frame(
        reading.frames,
        f"line {reading.lines + line + 1} should be its number of atoms, and is "
        f"{header[:60]!r}: this is not extxyz, or an earlier count is wrong",
    )


def _values(comment: bytes, reading: _Reading) -> dict[str, Any]:
    """Parse a comment line; one without any `=` is prose."""
    if b"=" not in comment:
        return {}
    try:
        return parse_comment(comment.decode())
    except ValueError as error:
        raise reading.where.frame(
            reading.frames, f"its comment line is malformed ({error}): correct it"
        ) from error


def _check_end(rest: bytes, reading: _Reading) -> None:
    """Complain about a last frame that is cut short, no frames, or no such labels."""
    lines = rest.strip().splitlines()
    if lines:
        raise reading.where.frame(
            reading.frames,
            f"it has {max(len(lines) - 2, 0)} of {lines[0].decode()} atoms: the file "
            "is truncated; write it again, or remove its last frame",
        )
    if not reading.frames:
        raise reading.where.error("it has no frames: write it again")
    if reading.keys is not None and not reading.used:
        raise reading.where.error(
            f"no frame has labels named as in {reading.keys}; its frames have "
            f"{sorted(reading.names)}: name these"
        )


def _fields(frames: Sequence[_Frame], reading: _Reading) -> dict[str, Any]:
    """Turn whole frames into the arrays of a Dataset."""
    first = frames[0].body.frame
    where = Where(str(reading.path), first)
    sizes = np.array([frame.body.n_atoms for frame in frames])
    cell, pbc = _cells(frames, reading)
    labels = label_arrays([_labels(frame, reading) for frame in frames], sizes, where)
    numbers, positions, labels["forces"] = _atoms(frames, sizes, reading)
    taken = {getattr(k, name) for k in reading.candidates for name in PROPERTIES}
    taken |= _NOT_INFO
    records = [
        {k: v for k, v in frame.values.items() if k not in taken} for frame in frames
    ]
    reading.names.update(*(frame.values for frame in frames))
    fields = {
        "numbers": numbers,
        "positions": positions,
        "cell": cell,
        "pbc": pbc,
        "offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "info": info.columns_of(records, where),
        **labels,
    }
    return checks.checked(fields, where)


def _cells(
    frames: Sequence[_Frame], reading: _Reading
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give cells and periodicity; a frame with a cell is periodic unless it says."""
    cell = np.zeros((len(frames), 9))
    pbc = np.zeros((len(frames), 3), bool)
    for index, frame in enumerate(frames):
        lattice = frame.values.get("Lattice")
        try:
            if lattice is not None:
                cell[index] = [float(each) for each in lattice.split()]
            pbc[index] = frame.values.get("pbc", lattice is not None)
        except (ValueError, TypeError) as error:
            raise reading.where.frame(
                frame.body.frame,
                f"Lattice={lattice!r}, pbc={frame.values.get('pbc')!r}: give nine "
                "numbers, and three of T and F",
            ) from error
    return cell.reshape(-1, 3, 3), pbc


def _labels(frame: _Frame, reading: _Reading) -> dict[str, Any]:
    """Give a frame's energy and stress."""
    found = {}
    for name in ("energy", "stress"):
        for keys in reading.candidates:
            key = getattr(keys, name)
            if key in frame.values:
                found[name] = frame.values[key]
                _note(name, key, frame.body.frame, reading)
                break
    return found


def _note(name: str, key: str, frame: int, reading: _Reading) -> None:
    """Remember how a label is named, and refuse two names for it in one file."""
    known, first = reading.used.setdefault(name, (key, frame))
    if known != key:
        raise reading.where.frame(
            frame,
            f"its {name} is named {key!r}, that of frame {first} {known!r}: if both "
            "are of one method, rename them alike; else choose one by keys=LabelKeys()",
        )


def _atoms(
    frames: Sequence[_Frame], sizes: NDArray[np.int64], reading: _Reading
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Read numbers, positions and forces, the frames of each layout together."""
    kinds = [frame.values.get("Properties", _DEFAULT_PROPERTIES) for frame in frames]
    total = int(sizes.sum())
    numbers = np.empty(total, np.int64)
    positions, forces = np.empty((total, 3)), np.full((total, 3), np.nan)
    for kind in dict.fromkeys(kinds):
        member = np.array([each == kind for each in kinds])
        bodies = [
            frame.body for frame, take in zip(frames, member, strict=True) if take
        ]
        layout = _layout(kind, bodies[0].frame, reading)
        key = _forces_key(layout, bodies[0].frame, reading)
        rows = np.repeat(member, sizes)
        numbers[rows], vectors = read_table(
            bodies, layout, ["pos", *([key] if key else [])], reading.where
        )
        positions[rows] = vectors["pos"]
        if key:
            forces[rows] = vectors[key]
    return numbers, positions, forces


def _layout(properties: str, frame: int, reading: _Reading) -> Layout:
    """Parse a layout once; say which forces are left out."""
    if properties in reading.layouts:
        return reading.layouts[properties]
    try:
        layout = parse_layout(properties)
    except ValueError as error:
        raise reading.where.frame(frame, str(error)) from error
    reading.layouts[properties] = layout
    reading.names.update(layout.vectors)
    known = {keys.forces for keys in reading.candidates}
    for name in layout.vectors:
        if "force" in name.lower() and name not in known and reading.keys is None:
            warnings.warn(
                f"{reading.path}: the column {name!r} is not read; if these are the "
                f"forces, pass keys=LabelKeys(forces={name!r}, ...)",
                stacklevel=2,
            )
    return layout


def _forces_key(layout: Layout, frame: int, reading: _Reading) -> str | None:
    for keys in reading.candidates:
        if keys.forces in layout.vectors:
            _note("forces", keys.forces, frame, reading)
            return keys.forces
    return None
