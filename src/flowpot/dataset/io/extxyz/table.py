"""Read the lines of atoms of extxyz frames, many frames at a time."""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from flowpot.dataset.where import Where

if TYPE_CHECKING:
    import pandas as pd

_TRIPLE = 3
_COORDINATES = 3
_NUMBERS = ("R", "I")


@dataclass(frozen=True)
class Layout:
    """
    Columns of the lines of atoms.

    Parameters
    ----------
    width
        Number of columns.
    species
        Column of chemical symbols or atomic numbers.
    vectors
        First column of each property of three reals or integers (positions are
        ``pos``).
    numbers
        Column of each property of one number.
    """

    width: int
    species: int
    vectors: dict[str, int]
    numbers: dict[str, int]

    def columns(self, name: str) -> range:
        """Return the columns of a property; none where there is no such property."""
        if name in self.vectors:
            return range(self.vectors[name], self.vectors[name] + _COORDINATES)
        if name in self.numbers:
            return range(self.numbers[name], self.numbers[name] + 1)
        return range(0)


@dataclass(frozen=True)
class Body:
    """The lines of the atoms of one frame, and their place in the file."""

    text: bytes
    n_atoms: int
    frame: int
    line: int


def parse_layout(properties: str) -> Layout:
    """
    Parse the value of `Properties`.

    Raises
    ------
    ValueError
        Where it is malformed, or lacks species or positions.

    Examples
    --------
    >>> parse_layout("species:S:1:pos:R:3:REF_forces:R:3").vectors
    {'pos': 1, 'REF_forces': 4}
    """
    parts = properties.split(":")
    if len(parts) % _TRIPLE or not all(width.isdigit() for width in parts[2::3]):
        raise ValueError(
            f"Properties={properties} is malformed: use name:type:columns, repeated"
        )
    start = 0
    species: dict[str, int] = {}
    vectors: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for name, kind, width in zip(
        parts[::3], parts[1::3], map(int, parts[2::3]), strict=True
    ):
        if (name, width) in (("species", 1), ("Z", 1)):
            species[name] = start
        elif kind in _NUMBERS and width == _COORDINATES:
            vectors[name] = start
        elif kind in _NUMBERS and width == 1:
            numbers[name] = start
        start += width
    if not species or "pos" not in vectors:
        raise ValueError(
            f"Properties={properties} lacks species:S:1 (or Z:I:1) or pos:R:3: add them"
        )
    column = species.get("species", species.get("Z", 0))
    return Layout(start, column, vectors, numbers)


def read_table(
    bodies: Sequence[Body], layout: Layout, names: Collection[str], where: Where
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """
    Read the atoms of frames that have the same layout.

    Parameters
    ----------
    bodies
        Lines of the frames, of A atoms in all.
    layout
        Columns of the lines.
    names
        Names of the properties to read, if the layout has them.
    where
        The file, for messages.

    Returns
    -------
    numbers
        Atomic numbers, shape (A,).
    properties
        Those properties by name, each of shape (A, 3), or (A, 1) for numbers.

    Raises
    ------
    ValueError
        Where a line has the wrong number of columns, or a value is malformed.
    """
    wanted = {name: group for name in names if (group := layout.columns(name))}
    columns = [column for group in wanted.values() for column in group]
    try:
        species, values = _fast(bodies, layout, columns)
    except ValueError:
        # Something is wrong, or NaN: read line by line, which may tell what is wrong.
        species, values = _careful(bodies, layout, columns, where)
    ends = np.cumsum([len(group) for group in wanted.values()])
    parts = dict(zip(wanted, np.hsplit(values, ends[:-1]), strict=True))
    return _numbers(species, bodies, where), parts


def _fast(
    bodies: Sequence[Body], layout: Layout, columns: Sequence[int]
) -> "tuple[pd.Series, NDArray[np.float64]]":
    text = b"".join(body.text for body in bodies)
    if len(text[: text.index(b"\n")].split()) != layout.width:
        raise ValueError("the first line has another width")
    import pandas as pd  # noqa: PLC0415, a quarter of a second that few jobs need

    table = pd.read_csv(
        io.BytesIO(text),
        sep=r"\s+",
        engine="c",
        header=None,
        index_col=False,
        names=list(range(layout.width)),
        usecols=[layout.species, *columns],
        dtype={layout.species: "category", **dict.fromkeys(columns, np.float64)},
        na_filter=False,
        quoting=csv.QUOTE_NONE,
    )
    if len(table) != sum(body.n_atoms for body in bodies):
        raise ValueError("some lines are blank")
    return table[layout.species], table[list(columns)].to_numpy()


def _careful(
    bodies: Sequence[Body], layout: Layout, columns: Sequence[int], where: Where
) -> "tuple[pd.Series, NDArray[np.float64]]":
    species: list[str] = []
    values = []
    for body in bodies:
        for number, line in enumerate(body.text.splitlines(), start=body.line):
            tokens = line.decode(errors="replace").split()
            if len(tokens) != layout.width:
                raise where.frame(
                    body.frame,
                    f"line {number} has {len(tokens)} columns, Properties says "
                    f"{layout.width}: {line[:60]!r}. Check the number of atoms and "
                    "Properties, or whether the file was truncated",
                )
            try:
                values.append([float(tokens[column]) for column in columns])
            except ValueError as error:
                raise where.frame(
                    body.frame, f"line {number}: {error}: correct it"
                ) from error
            species.append(tokens[layout.species])
    import pandas as pd  # noqa: PLC0415

    table = np.array(values, float).reshape(len(species), len(columns))
    return pd.Series(species, dtype="category"), table


def _numbers(
    species: "pd.Series", bodies: Sequence[Body], where: Where
) -> NDArray[np.int64]:
    """Return the atomic numbers of chemical symbols, or of numbers as text."""
    categories: list[Any] = species.cat.categories.tolist()
    known = [
        int(name) if name.isdigit() else atomic_numbers.get(name)
        for name in map(str, categories)
    ]
    codes = species.cat.codes.to_numpy()
    unknown = [code for code, number in enumerate(known) if number is None]
    if unknown:
        atom = int(np.argmax(np.isin(codes, unknown)))
        ends = np.cumsum([body.n_atoms for body in bodies])
        raise where.frame(
            bodies[int(np.searchsorted(ends, atom, side="right"))].frame,
            f"{categories[codes[atom]]!r} is no element: use chemical symbols, or "
            "atomic numbers with Z:I:1",
        )
    return np.array(known, np.int64)[codes]
