"""Cut an extxyz file into its frames, and parse their comments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from flowpot.dataset.io.extxyz.comment import parse_comment
from flowpot.dataset.io.extxyz.table import Body
from flowpot.dataset.where import Where

_BYTES_AT_ONCE = 2**25


class Frame(NamedTuple):
    """A frame of a file: the values in its comment, and the lines of its atoms."""

    values: dict[str, Any]
    body: Body


@dataclass
class _Place:
    """The place up to which a file is read."""

    where: Where
    frames: int = 0
    lines: int = 0
    broken: ValueError | None = None


def batches(path: Path, advance: Callable[[int], None]) -> Iterator[list[Frame]]:
    """
    Cut a file into frames, some 30 MB at a time.

    Parameters
    ----------
    path
        The file.
    advance
        Called with the number of bytes of each piece, once it is read.

    Yields
    ------
    list of Frame
        Consecutive frames, at least one.

    Raises
    ------
    ValueError
        Where the file is empty, truncated or malformed.
    """
    place = _Place(Where(str(path)))
    with path.open("rb") as file:
        rest = b""
        for chunk in _chunks(file):
            rest += chunk
            frames, used = _split(rest, place)
            if frames:
                yield frames
            if place.broken:
                raise place.broken
            rest = rest[used:]
            advance(len(chunk))
    if lines := rest.strip().splitlines():
        raise place.where.frame(
            place.frames,
            f"it has {max(len(lines) - 2, 0)} of {lines[0].decode()} atoms: the file "
            "is truncated; write it again, or remove its last frame",
        )
    if not place.frames:
        raise place.where.error("it has no frames: write it again")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file in chunks, and add a line feed at its end if it lacks one."""
    last = b"\n"
    while chunk := file.read(_BYTES_AT_ONCE):
        yield chunk
        last = chunk[-1:]
    if last != b"\n":
        yield b"\n"


def _split(data: bytes, place: _Place) -> tuple[list[Frame], int]:
    """Return the frames that are complete in some text, and the bytes they take."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).tolist()
    frames = []
    line = 0
    while line < len(ends):
        start = ends[line - 1] + 1 if line else 0
        header = data[start : ends[line]].strip()
        n_atoms = int(header) if header.isdigit() else -1
        if header and n_atoms < 1:
            # Raised once the frames before it, which may be the cause, are checked.
            place.broken = place.where.frame(
                place.frames,
                f"line {place.lines + line + 1} should be its number of atoms, and is "
                f"{header[:60]!r}: this is not extxyz, or an earlier count is wrong",
            )
            break
        last = line + 1 + n_atoms
        if last >= len(ends):
            break
        if header:
            text = data[ends[line + 1] + 1 : ends[last] + 1]
            body = Body(text, n_atoms, place.frames, place.lines + line + 3)
            comment = data[ends[line] + 1 : ends[line + 1]]
            frames.append(Frame(_values(comment, place), body))
            place.frames += 1
        line = last + 1
    place.lines += line
    return frames, ends[line - 1] + 1 if line else 0


def _values(comment: bytes, place: _Place) -> dict[str, Any]:
    """Parse a comment line; one without any `=` is prose."""
    if b"=" not in comment:
        return {}
    try:
        return parse_comment(comment.decode())
    except ValueError as error:
        raise place.where.frame(
            place.frames, f"its comment line is malformed ({error}): correct it"
        ) from error
