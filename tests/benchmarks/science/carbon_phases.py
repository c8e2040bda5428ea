"""Energy against volume of seven phases of carbon, in and out of the training set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from carbon_campaign import inputs
from matplotlib.figure import Figure
from md_campaign import Generation

from flowpot.augmentation import nearest_distances
from flowpot.properties import EquationOfState, committee_curve

FACTORS = np.linspace(0.88, 1.24, 19)
"""Lengths of the curves, in those at the teacher's minimum."""
_NEAR = 0.07  # of lengths: what is fitted, and called near the minimum
_SCAN = np.linspace(0.8, 1.2, 81)


@dataclass(frozen=True)
class Phase:
    """
    A phase, at the minimum of the teacher's energy.

    Attributes
    ----------
    atoms
        Two atoms or more: a frame of one is an isolated atom.
    axes
        Which cell vectors are scaled: none of a molecule, whose positions are; two of
        layers.
    trained
        Whether the campaign began with it.
    """

    atoms: Atoms
    axes: tuple[int, ...]
    trained: bool

    def at(self, factor: float) -> Atoms:
        """Return the phase with its lengths scaled."""
        atoms = self.atoms.copy()
        if not self.axes:
            atoms.positions *= factor
            return atoms
        cell = atoms.cell.array.copy()
        cell[list(self.axes)] *= factor
        atoms.set_cell(cell, scale_atoms=True)
        return atoms

    @property
    def bond(self) -> float:
        """Distance of nearest neighbours (A)."""
        return float(np.min(nearest_distances(self.atoms)))

    @property
    def volume(self) -> float:
        """Volume (A^3/atom); of a molecule that of a cube of its bond."""
        if not self.axes:
            return self.bond**3
        return float(self.atoms.get_volume()) / len(self.atoms)


def phases() -> dict[str, Phase]:
    """Return the seven phases of the AiiDA-TrainsPot paper's Fig. 7."""
    sheet, layers, _ = inputs()
    sheet.pbc = True  # with vacuum: the teacher's LAMMPS has no open directions
    dimer = Atoms("C2", [(0, 0, 0), (1.3, 0, 0)], cell=[14, 14, 14], pbc=True)

    def cubic(kind: str, a: float) -> Atoms:
        return bulk("C", kind, a=a, cubic=True)

    return {
        "graphene": Phase(sheet, (0, 1), trained=True),
        "graphite": Phase(layers, (0, 1), trained=True),
        "diamond": Phase(cubic("diamond", 3.57), (0, 1, 2), trained=True),
        "dimer": Phase(dimer, (), trained=False),
        "sc": Phase(cubic("sc", 1.77) * (2, 2, 2), (0, 1, 2), trained=False),
        "bcc": Phase(cubic("bcc", 2.2), (0, 1, 2), trained=False),
        "fcc": Phase(cubic("fcc", 2.7), (0, 1, 2), trained=False),
    }


def minimum(phase: Phase, factors: np.ndarray, energies: np.ndarray) -> dict[str, Any]:
    """
    Return bond length (A), energy (eV/atom) and, of crystals, bulk modulus (GPa).

    Of a fit by Birch and Murnaghan around the lowest energy; layers and molecules are
    fitted by the same formula, whose modulus has no meaning there. None where the
    lowest energy is at an end of the curve.
    """
    lowest = int(np.argmin(energies))
    near = np.abs(factors / factors[lowest] - 1) <= _NEAR
    exponent = len(phase.axes) or 3
    try:
        fit = EquationOfState.fit(
            phase.volume * factors[near] ** exponent, energies[near]
        )
    except ValueError:
        return {"bond": None, "energy": None}
    bond = phase.bond * (fit.volume / phase.volume) ** (1 / exponent)
    found = {"bond": bond, "energy": fit.energy}
    if len(phase.axes) == 3:
        found["bulk modulus"] = fit.bulk_modulus
    return found


def energies_of(calculator: Calculator, cells: list[Atoms]) -> np.ndarray:
    """Return energies (eV/atom), (n,)."""
    return np.array([calculator.get_potential_energy(c) / len(c) for c in cells])


def centred(phase: Phase, teacher: Calculator) -> Phase:
    """Return a phase with the lengths of the teacher's lowest energy."""
    energies = energies_of(teacher, [phase.at(factor) for factor in _SCAN])
    best = _SCAN[int(np.argmin(energies))]
    return Phase(phase.at(best), phase.axes, phase.trained)


def compared(
    generation: Generation, teacher: Calculator
) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return a table of the phases, and their curves."""
    calculator = generation.calculator()
    table, curves = {}, {}
    for name, rough in phases().items():
        phase = centred(rough, teacher)
        cells = [phase.at(factor) for factor in FACTORS]
        true = energies_of(teacher, cells)
        curve = committee_curve(calculator, cells)
        near = np.abs(FACTORS - 1) <= _NEAR
        off, inside = np.abs(curve.mean - true), np.abs(curve.mean - true) < curve.band
        table[name] = {
            "trained on": phase.trained,
            "teacher": minimum(phase, FACTORS, true),
            "committee": minimum(phase, FACTORS, curve.mean),
            "members": [minimum(phase, FACTORS, each) for each in curve.members],
            "error near the minimum": float(off[near].mean()),
            "95 % error there": float(curve.error[near].mean()),
            "band covers, near the minimum": float(inside[near].mean()),
            "band covers, whole curve": float(inside.mean()),
        }
        curves[name] = {
            "bonds": phase.bond * FACTORS,
            "teacher": true,
            "mean": curve.mean,
            "band": curve.band,
        }
    return table, curves


def phases_figure(
    table: Mapping[str, Any], curves: Mapping[str, Mapping[str, np.ndarray]]
) -> Figure:
    """Plot the curves, those of phases in the training set first."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    for axis, (name, curve) in zip(axes, curves.items(), strict=False):
        mean, width = curve["mean"], curve["band"]
        axis.fill_between(
            curve["bonds"], mean - width, mean + width, alpha=0.25, lw=0, color="C0"
        )
        axis.plot(curve["bonds"], mean, "C0-", label="committee, 95 %")
        axis.plot(curve["bonds"], curve["teacher"], "k.", label="teacher")
        told = "in" if table[name]["trained on"] else "not in"
        axis.set(title=f"{name} ({told} training)", xlabel="bond (\u00c5)")
        low, high = curve["teacher"].min(), curve["teacher"].max()
        room = 0.25 * (high - low)
        axis.set(ylim=(low - 2 * room, high + room))
    axes[0].set(ylabel="energy (eV/atom)")
    axes[4].set(ylabel="energy (eV/atom)")
    axes[0].legend(frameon=False)
    axes[-1].axis("off")
    return figure
