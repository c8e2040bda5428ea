"""Elastic constants of a crystal."""

from pathlib import Path
from typing import Any

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray
from pymatgen.analysis.elasticity import Deformation, ElasticTensor, Stress
from pymatgen.core import Lattice, Structure
from pymatgen.core.tensors import Tensor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from flowpot.dataset import Dataset
from flowpot.properties.calculations.base import (
    Calculated,
    ForceField,
    as_structure,
    run_flow,
)
from flowpot.properties.options import ValidationOptions

_CONSTANTS = {
    "cubic": ("11", "12", "44"),
    "hexagonal": ("11", "12", "13", "33", "44"),
    "trigonal": ("11", "12", "13", "14", "15", "33", "44"),
    "tetragonal": ("11", "12", "13", "16", "33", "44", "66"),
    "orthorhombic": ("11", "12", "13", "22", "23", "33", "44", "55", "66"),
}
"""Constants that symmetry leaves independent (Nye, Physical Properties of Crystals)."""
_UNTIED = 1e-9  # of an edge
_ALL = tuple(f"{i}{j}" for i in range(1, 7) for j in range(i, 7))


def elastic(
    structure: Structure, field: ForceField, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate elastic constants, and the bulk and shear modulus of a polycrystal.

    atomate2's ``ElasticMaker`` fits stresses of cells with strains up to 1 %, of
    relaxed atoms. Constants are in GPa and in the axes of the IEEE standard, by the
    edges of the crystal as it is given: members agree on the axes also where each finds
    another edge the longest. The moduli are the averages of Voigt, Reuss and Hill.
    ``lowest_stiffness`` is the smallest eigenvalue of the tensor: a crystal is
    mechanically stable if it is positive.

    Notes
    -----
    The crystal is turned into these axes first: in others atomate2 takes a strain that
    symmetry has turned for one of a single component, and fits nonsense. Atoms of
    strained cells are relaxed without symmetry: spglib, whose tolerance is of the size
    of the strains, finds more of it than there is, and ASE's ``FixSymmetry`` would take
    the strain away.
    """
    from atomate2.forcefields.flows.elastic import ElasticMaker  # noqa: PLC0415, torch

    maker = ElasticMaker(
        bulk_relax_maker=field.relax_maker(options, relax_cell=True),
        elastic_relax_maker=field.relax_maker(
            options, relax_cell=False, fix_symmetry=False
        ),
    )
    structure = in_standard_axes(structure)
    try:
        document, calculations = run_flow(maker.make(structure), folder)
    except np.linalg.LinAlgError:
        # A crystal that is nearly symmetric: strains that are the same within the
        # tolerance of the symmetry are not the same to the fit.
        maker.sym_reduce = False
        document, calculations = run_flow(maker.make(structure), folder)
    return Calculated(
        _values(document), cells=[each.structure for each in calculations]
    )


def in_standard_axes(structure: Structure) -> Structure:
    """
    Return a crystal turned into the axes of the IEEE standard (176-1987).

    Each edge is longer by 1e-9 of itself than the last: pymatgen orders axes by their
    length, and cannot where two are equal, as in a cube with atoms of low symmetry.
    Where they are equal but for rounding, the order is that of the edges.
    """
    longer = (1 + _UNTIED * np.arange(3))[:, None]
    untied = structure.lattice.matrix * longer
    turned = structure.copy()
    turned.lattice = Lattice(untied, structure.pbc)
    rotation = np.array(Tensor.get_ieee_rotation(turned))
    rotation *= np.sign(np.linalg.det(rotation))  # the axes may be left-handed
    turned.lattice = Lattice(untied @ rotation.T, structure.pbc)
    return turned


def elastic_of_labels(
    cells: Dataset,
    options: ValidationOptions,  # noqa: ARG001 - as of all properties
    folder: Path,  # noqa: ARG001
) -> Calculated:
    """
    Calculate elastic constants from labels of the cells that :func:`elastic` gives.

    Parameters
    ----------
    cells
        The relaxed crystal and the strained ones, with their stresses. The stress of
        the first is taken off those of the others: it need not be relaxed by these
        labels. Atoms stay where they are, so that the constants are wrong by what their
        forces would make of the stress.
    options, folder
        Not needed.

    Raises
    ------
    ValueError
        If labels have no stress.
    """
    from atomate2.common.schemas.elastic import (  # noqa: PLC0415, torch
        ElasticDocument,
    )

    if not np.isfinite(cells.stress).all():
        raise ValueError("labels without a stress say nothing of elastic constants")
    relaxed, *strained = cells.cell
    # as VASP writes them, and atomate2 reads: kbar, positive under compression
    at_rest, *stresses = (Stress(-10 * each / GPa) for each in cells.stress)
    numbers = [str(number) for number in range(len(strained))]
    given: dict[str, Any] = {
        "structure": as_structure(cells[:1].to_structures()[0]),
        "stresses": stresses,
        "deformations": [
            Deformation(np.linalg.solve(relaxed, each).T) for each in strained
        ],
        "uuids": numbers,
        "job_dirs": numbers,
        "equilibrium_stress": at_rest.tolist(),
        "order": 2,
    }
    try:
        document = ElasticDocument.from_stresses(**given)
    except np.linalg.LinAlgError:  # as above
        given["symprec"] = None
        document = ElasticDocument.from_stresses(**given)
    return Calculated(_values(document))


def _values(document: Any) -> dict[str, float]:
    """Return the quantities of atomate2's document, in the axes of its structure."""
    fitted = ElasticTensor.from_voigt(document.elastic_tensor.raw)
    tensor = fitted.fit_to_structure(document.structure).voigt
    system = SpacegroupAnalyzer(document.structure).get_crystal_system()
    values = {
        f"C{name}": float(tensor[int(name[0]) - 1][int(name[1]) - 1])
        for name in _CONSTANTS.get(system, _ALL)
    }
    derived = document.derived_properties
    values["bulk_modulus_elastic"] = float(derived.k_vrh)
    values["shear_modulus"] = float(derived.g_vrh)
    values["lowest_stiffness"] = lowest_stiffness(np.asarray(tensor))
    return values


def lowest_stiffness(tensor: NDArray[np.float64]) -> float:
    """
    Return the smallest eigenvalue of an elastic tensor, in its unit.

    A crystal is mechanically stable, at no load, if and only if it is positive (Mouhat
    and Coudert, Phys. Rev. B 90, 224104, 2014, eq. 5). Of a cubic crystal it is the
    smallest of C11 - C12, C11 + 2 C12 and C44.

    Parameters
    ----------
    tensor
        (6, 6) in Voigt's notation.

    Examples
    --------
    >>> cubic = np.diag([0.0] * 3 + [75.0] * 3)
    >>> cubic[:3, :3] = [[168, 121, 121], [121, 168, 121], [121, 121, 168]]
    >>> round(lowest_stiffness(cubic), 6)
    47.0
    """
    return float(np.linalg.eigvalsh((tensor + tensor.T) / 2)[0])
