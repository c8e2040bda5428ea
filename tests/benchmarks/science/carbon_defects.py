"""Formation energies of three defects of graphene, in the paper's four ways."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import graphene
from ase.calculators.calculator import Calculator
from ase.optimize import LBFGS
from matplotlib.figure import Figure

from flowpot.potentials import Potential
from flowpot.properties.statistics import interval

FMAX, STEPS = 0.05, 200  # eV/A
SIZE = 5  # cells of two atoms along each vector


def sheet(size: int = SIZE) -> Atoms:
    """Return a periodic sheet with vacuum, centred on a bond."""
    atoms = graphene(a=2.46, size=(size, size, 1), vacuum=7.5)
    atoms.pbc = True  # the teacher's LAMMPS has no open directions
    return atoms


def bond_of(atoms: Atoms) -> tuple[int, int]:
    """Return the first atom and its first neighbour, inside of the cell."""
    middle = atoms.cell.array.sum(axis=0) / 2
    first = int(np.argmin(np.linalg.norm(atoms.positions - middle, axis=1)))
    distances = atoms.get_distances(first, range(len(atoms)), mic=True)
    distances[first] = np.inf
    return first, int(np.argmin(distances))


def defects(perfect: Atoms) -> dict[str, Atoms]:
    """
    Return a monovacancy, a divacancy and a Stone-Wales defect, not relaxed.

    Examples
    --------
    >>> [len(each) for each in defects(sheet()).values()]
    [49, 48, 50]
    """
    first, second = bond_of(perfect)
    missing, turned = perfect.copy(), perfect.copy()
    del missing[[first]]
    both = perfect.copy()
    del both[[first, second]]
    bond = perfect.get_distance(first, second, mic=True, vector=True)
    centre = perfect.positions[first] + bond / 2
    across = np.array([-bond[1], bond[0], 0.0])
    turned.positions[first] = centre - across / 2
    turned.positions[second] = centre + across / 2
    return {"monovacancy": missing, "divacancy": both, "Stone-Wales": turned}


def relaxed(atoms: Atoms, calculator: Calculator) -> Atoms:
    """Return the frame with its positions relaxed, from a slight displacement."""
    atoms = atoms.copy()
    atoms.rattle(0.02, seed=0)  # out of the plane, too, which symmetry forbids
    atoms.calc = calculator
    LBFGS(atoms, logfile=None).run(fmax=FMAX, steps=STEPS)
    return atoms


def formation_energy(energy: float, n_atoms: int, perfect: float, n: int) -> float:
    """
    Return the formation energy (eV) of a defect; the reservoir is the perfect sheet.

    Parameters
    ----------
    energy, n_atoms
        Of the sheet with the defect.
    perfect, n
        Of the sheet without.
    """
    return energy - perfect * n_atoms / n


def four_ways(
    members: Sequence[Potential], teacher: Calculator, size: int = SIZE
) -> dict[str, Any]:
    """
    Return formation energies by who relaxes and who gives the energy (eV).

    Each member relaxes for itself; the committee's are mean and 95 % interval over the
    members, in which one more member would lie.
    """
    perfect = sheet(size)
    frames = {"perfect": perfect} | defects(perfect)
    by_teacher = {name: relaxed(frame, teacher) for name, frame in frames.items()}
    energies: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in frames}
        for way in ("committee-committee", "committee-teacher", "teacher-committee")
    }
    for member in members:
        calculator = member.calculator(1.0)
        for name, frame in frames.items():
            own = relaxed(frame, calculator)
            for way, by, structure in (
                ("committee-committee", calculator, own),
                ("committee-teacher", teacher, own),
                ("teacher-committee", calculator, by_teacher[name]),
            ):
                energies[way][name].append(by.get_potential_energy(structure.copy()))
    table: dict[str, Any] = {}
    n = len(perfect)
    for name in list(frames)[1:]:
        n_atoms = len(frames[name])
        row: dict[str, Any] = {}
        for way, found in energies.items():
            values = [
                formation_energy(e, n_atoms, p, n)
                for e, p in zip(found[name], found["perfect"], strict=True)
            ]
            row[way] = {
                "mean": float(np.mean(values)),
                "95 %": interval(values)[0],
                "members": values,
            }
        row["teacher-teacher"] = formation_energy(
            by_teacher[name].get_potential_energy(),
            n_atoms,
            by_teacher["perfect"].get_potential_energy(),
            n,
        )
        table[name] = row
    return table


def defects_figure(table: Mapping[str, Any]) -> Figure:
    """Plot the four ways side by side."""
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(table))
    ways = ("committee-committee", "committee-teacher", "teacher-committee")
    for shift, way in zip((-0.2, 0.0, 0.2), ways, strict=True):
        rows = [row[way] for row in table.values()]
        mean = np.array([row["mean"] for row in rows])
        low, high = np.array([row["95 %"] for row in rows]).T
        axis.errorbar(
            places + shift,
            mean,
            (mean - low, high - mean),
            fmt="o",
            capsize=3,
            label=way,
        )
    true = [row["teacher-teacher"] for row in table.values()]
    axis.hlines(true, places - 0.3, places + 0.3, "k", label="teacher-teacher")
    axis.set_xticks(places, list(table))
    axis.set(ylabel="formation energy (eV)")
    axis.legend(frameon=False, title="relaxed by - energy by", fontsize=8)
    return figure
