"""Summary of a dataset in numbers, which prints as tables."""

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
        Number of frames, of atoms in all, and of frames with energy and forces.
    config_types, splits, formulas
        Number of frames of each; formulas are reduced (C64 counts as C). Frames
        without a config_type or split count under "-".
    table
        Number of frames of each pair of config_type and split.
    sizes
        Atoms per frame: least, median, most. This and what follows is None where no
        frame has it.
    energy
        Energy per atom (eV): least, mean, most.
    force
        Norm of the force on an atom (eV/A): root mean square, median, most.
    pressure
        Minus a third of the trace of the stress (eV/A^3): least, mean, most.
    n_with_moments
        Number of frames with initial magnetic moments.
    moment
        Absolute initial moment of an atom (Bohr magnetons): least, median, most.
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
        """Return the tables that rich prints."""
        return Group(self._summary(), self._types(), self._formulas())

    def __str__(self) -> str:
        """Return the tables as text."""
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
    kinds, splits = (
        ["-" if value is None else str(value) for value in dataset.column(name)]
        for name in ("config_type", "split")
    )
    return Description(
        n_frames=len(dataset),
        n_atoms=len(dataset.numbers),
        n_labelled=int(dataset.is_labelled.sum()),
        config_types=dict(Counter(kinds).most_common()),
        splits=dict(Counter(splits).most_common()),
        formulas=_formulas(dataset),
        table=dict(Counter(zip(kinds, splits, strict=True))),
        sizes=_range(n_atoms, np.median),
        energy=_range(dataset.energy / n_atoms, np.mean),
        force=_force_range(dataset.forces),
        pressure=_range(-np.einsum("nii->n", dataset.stress) / 3, np.mean),
        n_with_moments=int(dataset.has_magmoms.sum()),
        moment=_range(np.abs(dataset.magmoms), np.median),
        charge=_range(dataset.charge, np.median),
        spin=_range(dataset.spin, np.median),
    )


def _range(values: NDArray[Any], middle: Any) -> Range | None:
    """Return the least, a mean or median, and the most of what is not NaN."""
    values = values[~np.isnan(values)]
    if not values.size:
        return None
    return float(values.min()), float(middle(values)), float(values.max())


def _force_range(forces: NDArray[np.float64]) -> Range | None:
    """Return the root mean square, median and most of the norms of forces."""
    norms = np.linalg.norm(forces[~np.isnan(forces[:, 0])], axis=1)
    if not norms.size:
        return None
    rms = np.sqrt(np.mean(norms**2))
    return float(rms), float(np.median(norms)), float(norms.max())


def _formulas(dataset: Columns) -> dict[str, int]:
    """Count the frames of each reduced formula, the most common first."""
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
    frames_of: Counter[str] = Counter()
    for row, count in zip(unique.tolist(), counts.tolist(), strict=True):
        composition = Composition(dict(zip(symbols, row, strict=True)))
        frames_of[composition.reduced_formula] += count
    return dict(frames_of.most_common())
