"""Frames from and to pymatgen, and from atomate2's static documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.units import GPa
from monty.json import MontyDecoder
from pymatgen.core import IMolecule, IStructure, Lattice, Molecule, Structure

from flowpot.dataset import info
from flowpot.dataset.conversion import geometry, label_arrays
from flowpot.dataset.labels import PROPERTIES

KBAR = 0.1 * GPa
"""One kbar in eV/A^3."""


def from_structures(structures: Sequence[IStructure | IMolecule]) -> dict[str, Any]:
    """Turn pymatgen objects into the arrays of a Dataset."""
    check_ordered(structures)
    lattices = [getattr(each, "lattice", None) for each in structures]
    return {
        **geometry(
            [each.atomic_numbers for each in structures],
            [each.cart_coords for each in structures],
            [np.zeros((3, 3)) if cell is None else cell.matrix for cell in lattices],
            [(False,) * 3 if cell is None else cell.pbc for cell in lattices],
        ),
        "info": info.columns_of([each.properties or {} for each in structures]),
    }


def check_ordered(structures: Sequence[IStructure | IMolecule]) -> None:
    """Refuse sites that are occupied in part."""
    for frame, each in enumerate(structures):
        if not each.is_ordered:
            raise ValueError(
                f"frame {frame}: {each.formula} has partly occupied sites: order it "
                "first (pymatgen.transformations.standard_transformations)"
            )


def to_structures(fields: Mapping[str, Any]) -> list[Structure | Molecule]:
    """Turn the arrays of a Dataset into pymatgen objects: see `Dataset`."""
    bounds = fields["offsets"].tolist()
    n = len(bounds) - 1
    return [
        _structure(
            fields["numbers"][bounds[frame] : bounds[frame + 1]],
            fields["positions"][bounds[frame] : bounds[frame + 1]],
            fields["cell"][frame],
            fields["pbc"][frame],
            record,
        )
        for frame, record in enumerate(info.records_of(fields["info"], n))
    ]


def _structure(
    numbers: Any, positions: Any, cell: Any, pbc: Any, properties: dict[str, Any]
) -> Structure | Molecule:
    species = numbers.tolist()
    if not cell.any():
        return Molecule(species, positions, properties=properties)
    if np.linalg.matrix_rank(cell) < len(cell):
        raise ValueError(
            f"pymatgen needs three independent cell vectors, a frame has {cell}: give "
            "it a vacuum cell along its non-periodic axes"
        )
    return Structure(
        Lattice(cell, pbc=tuple(pbc.tolist())),
        species,
        positions,
        coords_are_cartesian=True,
        properties=properties,
    )


def from_static_documents(documents: Sequence[Any]) -> dict[str, Any]:
    """
    Turn atomate2 static documents into the arrays of a Dataset.

    Their energy is in eV, their forces in eV/A, their stress in kbar with VASP's sign,
    positive under compression (`atomate2.vasp.schemas`).
    """
    documents = [MontyDecoder().process_decoded(each) for each in documents]
    structures = [_geometry(each, frame) for frame, each in enumerate(documents)]
    results = [_part(each, "output") for each in documents]
    found = [
        {name: v for name in PROPERTIES if (v := _part(each, name)) is not None}
        for each in results
    ]
    for labels in found:
        if "stress" in labels:
            labels["stress"] = -KBAR * np.asarray(labels["stress"], float)
    sizes = [len(each) for each in structures]
    return {**from_structures(structures), **label_arrays(found, sizes)}


def _geometry(document: Any, frame: int) -> IStructure | IMolecule:
    """Give the geometry of a document, whichever name it has."""
    for name in ("structure", "molecule"):
        found = _part(document, name)
        if isinstance(found, IStructure | IMolecule):
            return found
    raise ValueError(
        f"document {frame} has neither structure nor molecule: give the output of a "
        "static job"
    )


def _part(document: Any, name: str) -> Any:
    """Give an attribute of a document, or its entry where it was read as a dict."""
    if isinstance(document, Mapping):
        return document.get(name)
    return getattr(document, name, None)
