"""Equation of state of a crystal."""

from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from flowpot.dataset import Dataset
from flowpot.properties.calculations.base import (
    Calculated,
    ForceField,
    as_structure,
    run_flow,
)
from flowpot.properties.equation_of_state import EquationOfState
from flowpot.properties.options import ValidationOptions

_LENGTHS = {"lattice_constant": 0, "lattice_constant_b": 1, "lattice_constant_c": 2}
_SYMPREC = 0.01  # A, as atomate2's relaxations


def eos(
    structure: Structure, field: ForceField, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate volume, energy, lattice constants and bulk modulus at the minimum.

    atomate2's ``ForceFieldEosMaker`` relaxes the crystal, strains the cell evenly along
    all axes, and relaxes the atoms; the minimum is that of a Birch-Murnaghan fit
    (:class:`flowpot.properties.EquationOfState`). Ratios of the axes are those of the
    relaxed cell. Where these would change under pressure, the bulk modulus is larger
    than that of a hydrostatic compression.
    """
    from atomate2.forcefields.flows.eos import ForceFieldEosMaker  # noqa: PLC0415, torch

    maker = ForceFieldEosMaker(
        initial_relax_maker=field.relax_maker(options, relax_cell=True),
        eos_relax_maker=field.relax_maker(options, relax_cell=False),
        linear_strain=(-options.eos_strain, options.eos_strain),
        number_of_frames=options.eos_points,
        postprocessor=None,  # type: ignore[arg-type]  # which it allows
    )
    output, _ = run_flow(maker.make(structure), folder)
    relaxed = output["relax"]
    cells = [as_structure(cell) for cell in relaxed["structure"]]
    volumes = np.array(relaxed["volume"]) / len(structure)
    energies = np.array(relaxed["energy"]) / len(structure)
    return Calculated(
        values=values_at_minimum(volumes, energies, cells[0]),
        arrays={"volumes": volumes, "energies": energies},
        cells=cells,
    )


def eos_of_labels(
    cells: Dataset,
    options: ValidationOptions,  # noqa: ARG001 - as of all properties
    folder: Path,  # noqa: ARG001
) -> Calculated:
    """
    Calculate the same from labels of the cells that :func:`eos` gives, or most of them.

    Parameters
    ----------
    cells
        The cells with their energies. Where symmetry does not fix the atoms, the energy
        is too high by an amount of second order in their forces.
    options, folder
        Not needed.

    Raises
    ------
    ValueError
        If there are fewer than five, or if the minimum is not among them.
    """
    volumes = np.abs(np.linalg.det(cells.cell)) / cells.n_atoms
    energies = cells.energy / cells.n_atoms
    crystal = as_structure(cells[:1].to_structures()[0])
    return Calculated(values_at_minimum(volumes, energies, crystal))


def values_at_minimum(
    volumes: np.ndarray, energies: np.ndarray, cell: Structure
) -> dict[str, float]:
    """
    Fit an equation of state, and return the quantities at its minimum.

    Parameters
    ----------
    volumes, energies
        (n,) in A^3/atom and eV/atom.
    cell
        The crystal at any volume: it has the symmetry and the ratios of the axes.
    """
    fit = EquationOfState.fit(volumes, energies)
    values = {
        "volume": fit.volume,
        "energy": fit.energy,
        "bulk_modulus": fit.bulk_modulus,
    }
    analyzer = SpacegroupAnalyzer(cell, symprec=_SYMPREC)
    conventional = analyzer.get_conventional_standard_structure()
    factor = (fit.volume * len(cell) / cell.volume) ** (1 / 3)
    for name in _distinct_lengths(analyzer.get_crystal_system()):
        values[name] = float(conventional.lattice.abc[_LENGTHS[name]] * factor)
    return values


def _distinct_lengths(crystal_system: str) -> tuple[str, ...]:
    """Name the edges of the conventional cell that symmetry does not make equal."""
    if crystal_system == "cubic":
        return ("lattice_constant",)
    if crystal_system in ("tetragonal", "hexagonal", "trigonal"):
        return ("lattice_constant", "lattice_constant_c")
    return tuple(_LENGTHS)
