"""
Do 95 % intervals of properties hold, with the factor that the error model gives?

Frequencies and elastic constants of silicon (Stillinger and Weber) and SiC (Tersoff) by
committees that have learned more or less of their dynamics, and by their teachers. The
error model is fitted to frames that no committee was trained on. Phonons are those
of a supercell of 54 atoms at points of high symmetry; elastic constants are those of
clamped atoms: both are calculated at the same cells by all, so that nothing but the
potential differs.

    python tests/benchmarks/science/property_intervals.py --folder study

The table is written to ``--results``.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.units import GPa
from numpy.typing import NDArray
from outcome import RESULTS, keep
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

sys.path.append(str(Path(__file__).parents[1]))

from committees import Trained, mace_committee
from teachers import TEACHERS, Teacher

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    evaluate_committee,
    load_committee,
)
from flowpot.properties.error_ratios import error_ratio
from flowpot.properties.statistics import half_widths, moderated

FRAMES = (20, 60)
_POINTS = {
    "X": (0.5, 0.0, 0.5),
    "L": (0.5, 0.5, 0.5),
    "W": (0.5, 0.25, 0.75),
    "K": (0.375, 0.375, 0.75),
    "GAMMA": (0.0, 0.0, 0.0),
}
_ACOUSTIC = 3
_STEP = 0.01  # A, and strain


class Cells:
    """The cells of a crystal from which its properties follow, and how they do."""

    def __init__(self, crystal: Atoms) -> None:
        unit = PhonopyAtoms(
            symbols=crystal.get_chemical_symbols(),
            cell=crystal.cell.array,
            scaled_positions=crystal.get_scaled_positions(),
        )
        self.phonopy = Phonopy(unit, np.eye(3) * 3, primitive_matrix="auto")
        self.phonopy.generate_displacements(distance=_STEP)
        displaced = [
            Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True)
            for cell in self.phonopy.supercells_with_displacements
        ]
        strained = []
        for row, column in ((0, 0), (1, 2)):
            for sign in (-1, 1):
                strain = np.zeros((3, 3))
                strain[row, column] += sign * _STEP / 2
                strain[column, row] += sign * _STEP / 2
                atoms = crystal.copy()
                atoms.set_cell(crystal.cell @ (np.eye(3) + strain), scale_atoms=True)
                strained.append(atoms)
        self.displaced = Dataset.from_atoms(displaced)
        self.strained = Dataset.from_atoms(strained)

    def frequencies(self, forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return frequencies (THz) from forces on the atoms of all supercells."""
        n = len(self.displaced)
        self.phonopy.forces = forces.reshape(n, -1, 3)
        self.phonopy.produce_force_constants()
        self.phonopy.run_qpoints(list(_POINTS.values()))
        found = np.asarray(self.phonopy.get_qpoints_dict()["frequencies"])
        return np.concatenate([found[:-1].ravel(), found[-1][_ACOUSTIC:]])

    @staticmethod
    def elastic(stress: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return C11, C12 and C44 of clamped atoms (GPa) from four stresses."""
        normal, shear = (stress[1] - stress[0]), (stress[3] - stress[2])
        slopes = normal[0, 0], normal[1, 1], shear[1, 2]
        # The shear is half of its component by Voigt.
        return np.array([slopes[0], slopes[1], slopes[2]]) / (_STEP * GPa)


def truth(teacher: Teacher, cells: Cells, folder: Path) -> dict[str, NDArray[Any]]:
    """Return the properties by the teacher."""
    displaced, strained = (
        teacher.label(frames, folder) for frames in (cells.displaced, cells.strained)
    )
    return {
        "phonons": cells.frequencies(displaced.forces),
        "elastic": cells.elastic(strained.stress),
    }


def compared(
    committee: Trained, cells: Cells, true: dict[str, NDArray[Any]]
) -> dict[str, Any]:
    """Return the share of quantities inside of each kind of interval."""
    members = load_committee(committee.documents)
    spread, off = committee.spread_and_error
    fits = committee.calibration()
    on_displaced = evaluate_committee(members, cells.displaced)
    on_strained = evaluate_committee(members, cells.strained)
    values = {
        "phonons": np.array([cells.frequencies(f) for f in on_displaced.forces]),
        "elastic": np.array([cells.elastic(s) for s in on_strained.stress]),
    }
    row: dict[str, Any] = {}
    for kind, found in values.items():
        deviation = np.abs(found.mean(0) - true[kind])
        std = found.std(0)
        # Four values tell little of a spread: that of all quantities together.
        pooled = np.sqrt((std**2).mean())
        freedom = (len(members) - 1) * (2 if kind == "phonons" else 1)
        ratio, reason = error_ratio(fits, kind, freedom)
        width, _ = half_widths(found)
        row[kind] = {
            "n": len(std),
            "ratio": ratio,
            "doubt": reason,
            "needed": float(np.quantile(deviation / std, 0.95)),
            "error over spread": float(np.sqrt((deviation**2).mean()) / pooled),
            "inside": float((deviation <= ratio * std).mean()),
            "inside, one spread": float((deviation <= ratio * pooled).mean()),
            "inside, both": float((deviation <= ratio * moderated(found)).mean()),
            "inside by members": float((deviation <= width).mean()),
            "deviation": float(deviation.mean()),
        }
    source = {"phonons": "forces", "elastic": "stress"}
    for kind, name in source.items():
        row[kind]["frames"] = float(
            np.sqrt((off[name] ** 2).mean() / (spread[name] ** 2).mean())
        )
    return row


def main() -> None:
    """Compare all committees, and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "committees"
    table: dict[str, Any] = {}
    for teacher in TEACHERS[:2]:
        cells = Cells(
            bulk("".join(teacher.elements), teacher.lattice, a=teacher.constant)
        )
        true = truth(teacher, cells, folder / "lammps")
        for seed, n in product(map(int, given.seeds.split(",")), FRAMES):
            committee = mace_committee(teacher, folder, n_frames=n, seed=seed)
            name = f"{n} frames, seed {seed}"
            row = compared(committee, cells, true)
            table.setdefault(teacher.name, {})[name] = row
            for kind, each in row.items():
                sys.stdout.write(f"{teacher.name} {name} {kind} {each}\n")
                sys.stdout.flush()
    what = (
        "shares of quantities whose true value is inside of the 95 % interval: by each "
        "one's own spread over the members, by that of all, and by both, as "
        "ValidationMaker has it for phonons; `ratio` is the error model's factor, "
        "`needed` the one of own spreads that would hold 95 %; in THz and GPa"
    )
    keep("property_intervals", what, table, None, given.results)


if __name__ == "__main__":
    main()
