"""Frames from and to pymatgen, with their electronic state."""

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import (
    DummySpecies,
    IMolecule,
    IStructure,
    Lattice,
    Molecule,
    Structure,
)
from pymatgen.electronic_structure.core import Magmom

from flowpot.dataset import metadata
from flowpot.dataset.arrays import Columns
from flowpot.dataset.atom_states import along_axis, with_atom_charges
from flowpot.dataset.electronic_state import lowest_spin, numbers_of, plain
from flowpot.dataset.io.ase import geometry

_NEUTRAL = 1e-3
"""Oxidation states that add up to less than this (e) are those of a neutral cell."""


def from_structures(structures: Sequence[IStructure | IMolecule]) -> dict[str, Any]:
    """
    Turn pymatgen objects into the columns of a Dataset.

    Raises
    ------
    ValueError
        Where a site is occupied in part, or by no element, or moments have no common
        axis.
    """
    for frame, structure in enumerate(structures):
        if not structure.is_ordered:
            raise ValueError(
                f"frame {frame}: {structure.formula} has partly occupied sites: order "
                "it first (pymatgen.transformations.standard_transformations)"
            )
        if dummies := [
            str(s) for s in structure.species if isinstance(s, DummySpecies)
        ]:
            raise ValueError(
                f"frame {frame}: its species {dummies[0]!r} stands for no element "
                "(DummySpecies): replace it by one, or remove its sites"
            )
    lattices = [getattr(structure, "lattice", None) for structure in structures]
    return {
        **geometry(
            [structure.atomic_numbers for structure in structures],
            [structure.cart_coords for structure in structures],
            [np.zeros((3, 3)) if cell is None else cell.matrix for cell in lattices],
            [(False,) * 3 if cell is None else cell.pbc for cell in lattices],
        ),
        **states_of(structures),
        "info": metadata.columns_of(
            [structure.properties or {} for structure in structures]
        ),
    }


def to_structures(columns: Columns) -> list[Structure | Molecule]:
    """
    Turn the columns of a Dataset into pymatgen objects.

    Returns
    -------
    list
        A Molecule for each frame without a cell, else a Structure.

    Raises
    ------
    ValueError
        Where a frame has one or two cell vectors only.
    """
    bounds = columns.offsets.tolist()
    n = len(bounds) - 1
    structures = []
    for frame, record in enumerate(metadata.records_of(columns.info, n)):
        rows = slice(bounds[frame], bounds[frame + 1])
        structure = _structure(
            columns.numbers[rows],
            columns.positions[rows],
            columns.cell[frame],
            columns.pbc[frame],
            record,
        )
        charge, spin = columns.charge[frame], columns.spin[frame]
        set_state(structure, columns.magmoms[rows], charge, spin)
        structures.append(structure)
    return structures


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


def states_of(
    structures: Sequence[IStructure | IMolecule],
) -> dict[str, NDArray[np.float64]]:
    """
    Read the electronic state of pymatgen objects.

    Parameters
    ----------
    structures
        Their moments are the site property ``magmom``, else the spins of their
        species; a site without one has moment zero where another site has one. Their
        charge is what was given to them; their multiplicity is ``spin_multiplicity``
        unless that is the lowest possible, which pymatgen fills in. Charges and
        multiplicities that are not found so are looked up in ``properties``; then, as
        from ASE, the charge is that of the site property ``charge``.

    Returns
    -------
    dict
        The columns of `flowpot.dataset.electronic_state`.
    """
    moments = [_moments(structure, frame) for frame, structure in enumerate(structures)]
    stated = numbers_of([_charge(structure) for structure in structures], "charge")
    sums = [_atom_charges(structure) for structure in structures]
    for frame in np.flatnonzero(np.isnan(stated) & np.isnan(sums)).tolist():
        _warn_of_oxidation(structures[frame], frame)
    spins = [_spin(structure) for structure in structures]
    return {
        "magmoms": np.concatenate([np.empty(0), *moments]),
        "charge": with_atom_charges(stated, sums),
        "spin": numbers_of(spins, "spin"),
    }


def _moments(structure: IStructure | IMolecule, frame: int) -> NDArray[np.float64]:
    """Return the moments of one frame, NaN where it has none."""
    moments = [site.properties.get("magmom") for site in structure]
    if all(moment is None for moment in moments):
        moments = [getattr(site.specie, "spin", None) for site in structure]
    if all(moment is None for moment in moments):
        return np.full(len(structure), np.nan)
    return collinear([0.0 if moment is None else moment for moment in moments], frame)


def collinear(moments: Sequence[Any], frame: int) -> NDArray[np.float64]:
    """
    Turn magnetic moments into signed numbers along their common axis.

    Parameters
    ----------
    moments
        Numbers, vectors along z, or pymatgen's Magmoms along any one axis, in Bohr
        magnetons.
    frame
        Number of the frame, for the message.

    Returns
    -------
    numpy.ndarray
        One number per atom, in Bohr magnetons.

    Raises
    ------
    ValueError
        Where they have no common axis.
    """
    if all(isinstance(moment, Real) for moment in moments):
        return np.array(moments, float)
    return along_axis(
        np.array([Magmom(moment).global_moment for moment in moments], float), frame
    )


def _charge(structure: IStructure | IMolecule) -> Any:
    """Return the charge that a frame was given, None where it was given none."""
    charge = structure._charge  # noqa: SLF001
    if isinstance(structure, IMolecule):
        # Zero is what pymatgen fills in.
        return charge or structure.properties.get("charge")
    return structure.properties.get("charge") if charge is None else charge


def _atom_charges(structure: IStructure | IMolecule) -> float:
    """Return the sum of the site property ``charge`` (e), NaN where it is missing."""
    charges = [site.properties.get("charge") for site in structure]
    return float(np.sum([np.nan if each is None else each for each in charges]))


def _warn_of_oxidation(structure: IStructure | IMolecule, frame: int) -> None:
    """Warn of oxidation states that would make a charge, which they do not."""
    if isinstance(structure, IMolecule):
        return
    if abs(formal := structure.charge) > _NEUTRAL:
        warnings.warn(
            f"frame {frame}: its oxidation states add up to {formal:+g}, which is not "
            "taken for its charge: call set_charge if the cell is charged",
            stacklevel=2,
        )


def _spin(structure: IStructure | IMolecule) -> Any:
    if isinstance(structure, IMolecule):
        spin = structure.spin_multiplicity
        numbers = np.array(structure.atomic_numbers)
        if spin != lowest_spin(numbers, structure.charge):
            return spin
    return structure.properties.get("spin")


def set_state(
    structure: Structure | Molecule,
    magmoms: NDArray[np.float64],
    charge: float,
    spin: float,
) -> None:
    """
    Attach an electronic state to a pymatgen object, in place.

    Charge and multiplicity go to ``properties`` where pymatgen cannot tell them from
    what it fills in, or has no place for them.

    Parameters
    ----------
    structure
        The object, of N sites.
    magmoms
        Initial magnetic moments, shape (N,), in Bohr magnetons.
    charge, spin
        Charge (e) and multiplicity. Whatever is NaN is left out.
    """
    if len(magmoms) and not np.isnan(magmoms[0]):
        structure.add_site_property("magmom", magmoms.tolist())
    if not np.isnan(spin):
        structure.properties["spin"] = plain(spin)
    if isinstance(structure, Molecule):
        if not np.isnan(charge):
            structure.properties["charge"] = plain(charge)
        total = 0 if np.isnan(charge) else plain(charge)
        lowest = lowest_spin(np.array(structure.atomic_numbers), total)
        wanted = lowest if np.isnan(spin) else plain(spin)
        if (
            isinstance(total, int)
            and isinstance(wanted, int)
            and wanted % 2 == lowest % 2
        ):
            structure.set_charge_and_spin(total, wanted)
    elif not np.isnan(charge):
        structure.set_charge(plain(charge))
