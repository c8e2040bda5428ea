"""Frames from and to pymatgen, and from atomate2's static documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monty.json import MontyDecoder
from pymatgen.core import IMolecule, IStructure, Lattice, Molecule, Structure

from flowpot.dataset import metadata
from flowpot.dataset.io import pymatgen_state
from flowpot.dataset.io.ase import geometry, label_arrays
from flowpot.dataset.io.static_documents import LabelError, part_of, read_labels


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
        **pymatgen_state.from_structures(structures),
        "info": metadata.columns_of([each.properties or {} for each in structures]),
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
    made = []
    for frame, record in enumerate(metadata.records_of(fields["info"], n)):
        rows = slice(bounds[frame], bounds[frame + 1])
        each = _structure(
            fields["numbers"][rows],
            fields["positions"][rows],
            fields["cell"][frame],
            fields["pbc"][frame],
            record,
        )
        charge, spin = fields["charge"][frame], fields["spin"][frame]
        pymatgen_state.set_state(each, fields["magmoms"][rows], charge, spin)
        made.append(each)
    return made


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


def from_static_documents(
    documents: Sequence[Any], convention: str | None = None
) -> dict[str, Any]:
    """
    Turn atomate2 static documents into the arrays of a Dataset.

    Their energy is in eV, their forces in eV/A; what their stress means is decided by
    the class of the document: see
    `flowpot.dataset.io.static_documents.stress_convention`.

    Raises
    ------
    ValueError
        Where a label of a document cannot be true.
    """
    documents = [MontyDecoder().process_decoded(each) for each in documents]
    structures = [_geometry(each, frame) for frame, each in enumerate(documents)]
    found = []
    for frame, (document, structure) in enumerate(
        zip(documents, structures, strict=True)
    ):
        output = part_of(document, "output")
        periodic = any(getattr(structure, "pbc", [False]))
        try:
            found.append(
                read_labels(
                    output, len(structure), periodic=periodic, convention=convention
                )
            )
        except LabelError as error:
            raise ValueError(f"document {frame}: {error}") from error
    sizes = [len(each) for each in structures]
    made = {**from_structures(structures), **label_arrays(found, sizes)}
    inputs = [_input(*pair) for pair in zip(documents, structures, strict=True)]
    return {**made, **pymatgen_state.from_structures(inputs)}


def _input(document: Any, structure: IStructure | IMolecule) -> IStructure | IMolecule:
    """
    Return the structure that a document's calculation started from.

    The moments of VASP's final one are results.
    """
    given = part_of(part_of(document, "input"), "structure")
    is_given = isinstance(given, IStructure | IMolecule)
    return given if is_given and len(given) == len(structure) else structure


def _geometry(document: Any, frame: int) -> IStructure | IMolecule:
    """Return the geometry of a document, whichever name it has."""
    for name in ("structure", "molecule"):
        found = part_of(document, name)
        if isinstance(found, IStructure | IMolecule):
            return found
    raise ValueError(
        f"document {frame} has neither structure nor molecule: give the output of a "
        "static job"
    )
