"""
Write extxyz files, many frames at a time.

Numbers are written with all the digits that distinguish them, so that reading returns
the same bits (and the same fingerprints); ASE writes eight decimals.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import orjson
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset import arrays, metadata
from flowpot.dataset.arrays import Columns
from flowpot.dataset.electronic_state import ASE_MAGMOMS, plain
from flowpot.dataset.io import checksum
from flowpot.dataset.io.extxyz.comment import value_of
from flowpot.dataset.labels import ASE_KEYS, PROPERTIES, LabelKeys

_ATOMS_AT_ONCE = 100_000
_PLAIN_TEXT = re.compile(r"[\w.:+/-]*[A-Za-df-z][\w.:+/-]*", re.ASCII)
"""Text that no reader takes for a number, since it has a letter other than e."""
_NOT_TEXT = frozenset(("t", "f", "true", "false", "nan", "inf", "infinity"))
"""Words that readers take for truth values or numbers."""


def write(path: Path, columns: Columns, keys: LabelKeys, *, fill: bool = False) -> None:
    """
    Write an extxyz file: see `Dataset.write`.

    Parameters
    ----------
    path
        The file.
    columns
        The columns of a Dataset.
    keys
        Names of the labels.
    fill
        Whether to write NaN for labels that only other frames have.

    Raises
    ------
    ValueError
        Where a column of metadata has the name of a label.
    """
    taken = sorted({keys.energy, keys.forces, keys.stress} & set(columns.info))
    if taken:
        raise ValueError(
            f"metadata and a label are both named {taken[0]!r}: remove the column by "
            "with_info, or choose other keys"
        )
    wanted = {name: fill and columns.has_any(name) for name in PROPERTIES}
    last = len(columns.offsets) - 2
    head = tail = 0
    with path.open("wb") as file:
        for frame, (comment, rows) in enumerate(_frames(columns, keys, wanted)):
            count = b"%d\n" % len(rows)
            before = checksum.HEAD if frame == 0 else ""
            after = checksum.TAIL if frame == last else ""
            head = head or len(count)
            file.write(count + f"{before}{comment}{after}".encode())
            tail = file.tell() - len(after)
            file.write(b"\n%s\n" % b"\n".join(rows))
    if head:
        checksum.seal_extxyz(path, head, tail)


def _frames(
    columns: Columns, keys: LabelKeys, wanted: Mapping[str, bool]
) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the comment and the lines of the atoms of each frame."""
    offsets = columns.offsets
    start, n = 0, len(offsets) - 1
    while start < n:  # in pieces, so that the text in memory stays small
        end = int(np.searchsorted(offsets, offsets[start] + _ATOMS_AT_ONCE, "right"))
        end = min(max(end - 1, start + 1), n)
        piece = Columns(**arrays.select(columns.fields, slice(start, end)))
        start = end
        bounds = piece.offsets.tolist()
        has_forces = piece.has_forces | wanted["forces"]
        lines = _atom_lines(piece, has_forces)
        comments = _comments(piece, has_forces, keys, wanted)
        for frame, comment in enumerate(comments):
            yield comment, lines[bounds[frame] : bounds[frame + 1]]


def _atom_lines(frames: Columns, has_forces: NDArray[np.bool_]) -> list[bytes]:
    """Return the line of each atom, with the columns that its frame has."""
    has_all = (np.ones_like(has_forces), has_forces, frames.has_magmoms)
    columns = np.repeat(np.stack(has_all, axis=1), (3, 3, 1), axis=1)
    symbols = np.array([s.encode() for s in chemical_symbols], object)
    values = np.hstack([frames.positions, frames.forces, frames.magmoms[:, None]])
    layouts, layout_of = np.unique(columns, axis=0, return_inverse=True)
    if len(layouts) == 1:
        texts = _texts(values[:, layouts[0]])
    else:
        lines = np.empty(len(values), object)
        kinds = np.repeat(layout_of.reshape(-1), np.diff(frames.offsets))
        for kind, layout in enumerate(layouts):
            lines[kinds == kind] = _texts(values[kinds == kind][:, layout])
        texts = lines.tolist()
    names = symbols[frames.numbers].tolist()
    return list(map(b" ".join, zip(names, texts, strict=True)))


def _texts(rows: NDArray[np.float64]) -> list[bytes]:
    """Return the numbers of each row as text, in the fewest digits that suffice."""
    if not len(rows):
        return []
    text = orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    text = text[2:-2].replace(b",", b" ").replace(b"null", b"nan")
    return text.split(b"] [")


def _comments(
    frames: Columns,
    has_forces: NDArray[np.bool_],
    keys: LabelKeys,
    wanted: Mapping[str, bool],
) -> Iterator[str]:
    """Yield the comment line of each frame."""
    n = len(has_forces)
    cells = [text.decode() for text in _texts(frames.cell.reshape(n, 9))]
    has_cell = np.asarray(frames.cell.any(axis=(1, 2)))
    periodic = {row: " ".join("FT"[axis] for axis in row) for row in _bools(frames)}
    energy, stress = frames.energy, frames.stress
    has_energy = ~np.isnan(energy) | wanted["energy"]
    has_stress = ~np.isnan(stress[:, 0, 0]) | wanted["stress"]
    has_moments = frames.has_magmoms
    stated = [name for name in ("charge", "spin") if frames.has_any(name)]
    columns = [(name, _entries(col)) for name, col in frames.info.items()]
    for frame, row in enumerate(_bools(frames)):
        parts = [f'Lattice="{cells[frame]}"'] if has_cell[frame] else []
        forces = f":{keys.forces}:R:3" if has_forces[frame] else ""
        moments = f":{ASE_MAGMOMS}:R:1" if has_moments[frame] else ""
        parts.append(f"Properties=species:S:1:pos:R:3{forces}{moments}")
        parts += [
            f"{name}={plain(getattr(frames, name)[frame])!r}"
            for name in stated
            if not np.isnan(getattr(frames, name)[frame])
        ]
        if has_energy[frame]:
            parts.append(f"{keys.energy}={float(energy[frame])!r}")
        if has_stress[frame]:
            parts.append(f"{keys.stress}={_stress_text(stress[frame], keys)}")
        parts += [
            f"{name}={entries[frame]}"
            for name, entries in columns
            if entries[frame] is not None
        ]
        parts.append(f'pbc="{periodic[row]}"')
        yield " ".join(parts)


def _bools(columns: Columns) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in columns.pbc.tolist()]


def _stress_text(stress: NDArray[np.float64], keys: LabelKeys) -> str:
    """
    Return a tensor as text that ASE reads as shape (3, 3), which every trainer takes.

    ASE does so for nine numbers under its own name only, else for JSON.
    """
    if keys.stress == ASE_KEYS.stress:
        return f'"{" ".join(map(repr, stress.T.ravel().tolist()))}"'
    return f'"{metadata.JSON_PREFIX}{json.dumps(stress.tolist())}"'


def _entries(column: metadata.Column) -> list[str | None]:
    """Return the entries of a metadata column as text, None where missing."""
    if column.dtype.kind == "b":
        return ["FT"[value] for value in column.tolist()]
    if column.dtype.kind == "i":
        return [str(value) for value in column.tolist()]
    if column.dtype.kind == "f":
        return [None if v != v else repr(v) for v in column.tolist()]  # noqa: PLR0124
    texts: dict[str | None, str | None] = {None: None}
    for value in column:
        if value not in texts:
            texts[value] = text_entry(value)
    return [texts[value] for value in column]


def text_entry(text: str) -> str:
    """
    Return a str in the form that ASE reads back as this str.

    ASE reads text that looks like numbers or truth values as these, quoted or not: such
    text is written as JSON.
    """
    if _PLAIN_TEXT.fullmatch(text) and text.lstrip("+-").lower() not in _NOT_TEXT:
        return text
    as_json = metadata.JSON_PREFIX + json.dumps(text)
    if text.startswith(metadata.JSON_PREFIX):
        return _quoted(text if _is_json(text) else as_json)
    if text.isprintable() and "\\" not in text:
        from ase.io.extxyz import key_val_str_to_dict  # noqa: PLC0415 - slow

        written = _quoted(text)
        read = key_val_str_to_dict(f"x={written}").get("x")
        if isinstance(read, str) and read == text == value_of(text):
            return written
    return _quoted(as_json)


def _is_json(text: str) -> bool:
    try:
        json.loads(text.removeprefix(metadata.JSON_PREFIX))
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
