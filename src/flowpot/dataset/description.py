"""What a dataset holds, in numbers; prints as tables."""

from collections import Counter
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element
from rich.console import Console, Group
from rich.table import Column, Table
from rich.text import Text

from flowpot.dataset.arrays import Columns

_ROWS = 20
_WIDTH = 88
Range = tuple[float, float, float]


@dataclass(frozen=True)
class Description:
    """
    Summary of a dataset: ``print`` shows it as tables.

    Parameters
    ----------
    n_frames, n_atoms, n_labelled
        Frames, atoms in all, frames with energy and forces.
    config_types, splits, formulas
        Frames of each; formulas are reduced (C64 counts as C). Frames without a
        config_type or split count under "-".
    table
        Frames of each config_type in each split.
    sizes
        Atoms per frame: least, median, most.
    energy
        Energy per atom (eV): least, mean, most. None where no frame has it; so below.
    force
        Norm of the force on an atom (eV/A): root mean square, median, most.
    pressure
        Minus a third of the trace of the stress (eV/A^3): least, mean, most.
    n_with_moments
        Frames with initial magnetic moments.
    moment
        Size of the initial moment of an atom (Bohr magnetons): least, median, most.
    charge, spin
        Charge (e) and spin multiplicity of the frames that state one: least, median,
        most.
    """

    n_frames: int
    n_atoms: int
    n_labelled: int
    config_types: dict[str, int]
    splits: dict[str, int]
    formulas: dict[str, int]
    table: dict[tuple[str, str], int]
    sizes: Range | None
    energy: Range | None
    force: Range | None
    pressure: Range | None
    n_with_moments: int = 0
    moment: Range | None = None
    charge: Range | None = None
    spin: Range | None = None

    def __rich__(self) -> Group:
        """Render for rich."""
        return Group(self._summary(), self._types(), self._formulas())

    def __str__(self) -> str:
        """Render as text."""
        text = StringIO()
        Console(file=text, width=_WIDTH, markup=False).print(self)
        return text.getvalue()

    def _summary(self) -> Table:
        title = f"{self.n_frames} frames, {self.n_labelled} of them labelled"
        table = Table("", "", "", "", title=title, show_header=False)
        rows = (
            ("atoms per frame", self.sizes, ("least", "median", "most")),
            ("energy (eV/atom)", self.energy, ("least", "mean", "most")),
            ("|force| (eV/A)", self.force, ("rms", "median", "most")),
            ("pressure (eV/A^3)", self.pressure, ("least", "mean", "most")),
            (
                f"|moment| (mu_B) in {self.n_with_moments} frames",
                self.moment,
                ("least", "median", "most"),
            ),
            ("charge (e)", self.charge, ("least", "median", "most")),
            ("spin (2S + 1)", self.spin, ("least", "median", "most")),
        )
        for name, values, words in rows:
            if values is not None:
                pairs = zip(words, values, strict=True)
                table.add_row(name, *(f"{word} {value:.6g}" for word, value in pairs))
        return table

    def _types(self) -> Table:
        splits = list(self.splits)
        table = Table(
            "config_type", "frames", *(Column(Text(split)) for split in splits)
        )
        for kind, count in self.config_types.items():
            cells = [self.table.get((kind, split), 0) for split in splits]
            table.add_row(Text(kind), str(count), *map(str, cells))
        table.add_section()
        table.add_row("all", str(self.n_frames), *map(str, self.splits.values()))
        return table

    def _formulas(self) -> Table:
        table = Table("formula", "frames")
        for formula, count in list(self.formulas.items())[:_ROWS]:
            table.add_row(formula, str(count))
        if len(self.formulas) > _ROWS:
            table.add_row(f"and {len(self.formulas) - _ROWS} more", "")
        return table


def describe(dataset: Columns) -> Description:
    """Summarise a dataset: see `Description`."""
    n_atoms = dataset.n_atoms
    kinds, splits = (_column(dataset, name) for name in ("config_type", "split"))
    with_forces = dataset.forces[~np.isnan(dataset.forces[:, 0])]
    force = np.linalg.norm(with_forces, axis=1)
    return Description(
        n_frames=len(dataset),
        n_atoms=len(dataset.numbers),
        n_labelled=int(dataset.is_labelled.sum()),
        config_types=_counts(kinds),
        splits=_counts(splits),
        formulas=_formulas(dataset),
        table=dict(Counter(zip(kinds, splits, strict=True))),
        sizes=_range(n_atoms, np.median),
        energy=_range(dataset.energy / n_atoms, np.mean),
        force=(_rms(force), float(np.median(force)), float(force.max()))
        if force.size
        else None,
        pressure=_range(-np.einsum("nii->n", dataset.stress) / 3, np.mean),
        n_with_moments=int(dataset.has_magmoms.sum()),
        moment=_range(np.abs(dataset.magmoms), np.median),
        charge=_range(dataset.charge, np.median),
        spin=_range(dataset.spin, np.median),
    )


def _column(dataset: Columns, name: str) -> list[str]:
    column = dataset.info.get(name)
    if column is None:
        return ["-"] * len(dataset)
    return ["-" if value is None else str(value) for value in column]


def _counts(values: list[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _range(values: NDArray[Any], middle: Any) -> Range | None:
    values = values[~np.isnan(values)]
    if not values.size:
        return None
    return float(values.min()), float(middle(values)), float(values.max())


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _formulas(dataset: Columns) -> dict[str, int]:
    """Count frames per reduced formula, most common first."""
    if not len(dataset):
        return {}
    elements, codes = np.unique(dataset.numbers, return_inverse=True)
    width = len(elements)
    frames = np.repeat(np.arange(len(dataset)), dataset.n_atoms)
    size = len(dataset) * width
    amounts = np.bincount(frames * width + codes, minlength=size).reshape(-1, width)
    amounts //= np.gcd.reduce(amounts, axis=1)[:, None]
    unique, counts = np.unique(amounts, axis=0, return_counts=True)
    symbols = [Element.from_Z(int(number)) for number in elements]
    found: Counter[str] = Counter()
    for row, count in zip(unique.tolist(), counts.tolist(), strict=True):
        composition = Composition(dict(zip(symbols, row, strict=True)))
        found[composition.reduced_formula] += count
    return dict(found.most_common())
