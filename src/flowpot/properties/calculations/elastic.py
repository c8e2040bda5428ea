"""Elastic constants of a crystal."""

from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from flowpot.properties.calculations.base import Calculated, ForceField, run_flow
from flowpot.properties.options import ValidationOptions

_CONSTANTS = {
    "cubic": ("11", "12", "44"),
    "hexagonal": ("11", "12", "13", "33", "44"),
    "trigonal": ("11", "12", "13", "14", "15", "33", "44"),
    "tetragonal": ("11", "12", "13", "16", "33", "44", "66"),
    "orthorhombic": ("11", "12", "13", "22", "23", "33", "44", "55", "66"),
}
"""Constants that symmetry leaves independent (Nye, Physical Properties of Crystals)."""
_ALL = tuple(f"{i}{j}" for i in range(1, 7) for j in range(i, 7))


def elastic(
    structure: Structure, field: ForceField, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate elastic constants, and the bulk and shear modulus of a polycrystal.

    atomate2's ``ElasticMaker`` fits stresses of cells with strains up to 1 %, of
    relaxed atoms. Constants are in GPa and in the axes of the IEEE standard; the moduli
    are the averages of Voigt, Reuss and Hill.
    """
    from atomate2.forcefields.flows.elastic import ElasticMaker  # noqa: PLC0415, torch

    maker = ElasticMaker(
        bulk_relax_maker=field.relax_maker(options, relax_cell=True),
        elastic_relax_maker=field.relax_maker(options, relax_cell=False),
    )
    try:
        document, calculations = run_flow(maker.make(structure), folder)
    except np.linalg.LinAlgError:
        # A crystal that is nearly symmetric: strains that are the same within the
        # tolerance of the symmetry are not the same to the fit.
        maker.sym_reduce = False
        document, calculations = run_flow(maker.make(structure), folder)
    tensor = document.elastic_tensor.ieee_format
    system = SpacegroupAnalyzer(document.structure).get_crystal_system()
    values = {
        f"C{name}": float(tensor[int(name[0]) - 1][int(name[1]) - 1])
        for name in _CONSTANTS.get(system, _ALL)
    }
    derived = document.derived_properties
    values["bulk_modulus_elastic"] = float(derived.k_vrh)
    values["shear_modulus"] = float(derived.g_vrh)
    return Calculated(values, cells=[each.structure for each in calculations[1:]])
