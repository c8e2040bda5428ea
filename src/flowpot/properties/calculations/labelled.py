"""Labels of known frames as a potential, which knows no other frame."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from flowpot.dataset import Dataset
from flowpot.properties.calculations.base import ForceField

_SAME = 1e-4  # A
_FILE = "labels.h5"


class UnknownFrameError(ValueError):
    """Raised where a frame has no label."""


class LabelledCalculator(Calculator):
    """
    An ASE calculator that looks a frame up among labelled ones.

    Parameters
    ----------
    path
        File of the labelled frames.
    """

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 - ASE's

    def __init__(self, path: str) -> None:
        super().__init__()
        self._frames = list(Dataset.read(path))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = None,
        system_changes: Any = all_changes,
    ) -> None:
        """
        Find the labels of a frame.

        Raises
        ------
        UnknownFrameError
            If there is none with the same cell, species and positions, in this order.
        """
        super().calculate(atoms, properties, system_changes)
        for frame in self._frames:
            if _is_same(frame, self.atoms):
                self.results = dict(frame.calc.results)
                return
        raise UnknownFrameError(
            f"{self.atoms.get_chemical_formula()} is none of the "
            f"{len(self._frames)} labelled frames: some have failed"
        )


def labelled_force_field(frames: Dataset, folder: Path) -> ForceField:
    """Describe labelled frames as a potential; they are written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    frames.write(folder / _FILE)
    name = {"@module": __name__, "@callable": LabelledCalculator.__name__}
    return ForceField(name, {"path": str(folder / _FILE)})


def _is_same(one: Atoms, other: Atoms) -> bool:
    """Return whether two frames are the same but for whole vectors of the cell."""
    if len(one) != len(other) or (one.numbers != other.numbers).any():
        return False
    if np.abs(one.cell.array - other.cell.array).max() > _SAME:
        return False
    between = one.cell.scaled_positions(one.positions - other.positions)
    shift = (between - np.round(between)) @ one.cell.array
    return bool(np.abs(shift).max() < _SAME)
