"""The electronic state of pymatgen's Structures and Molecules."""

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import IMolecule, IStructure, Molecule, Structure
from pymatgen.electronic_structure.core import Magmom

from flowpot.dataset.electronic_state import lowest_spin, numbers_of, plain
from flowpot.dataset.where import Where

_STRAIGHT = 1e-3
"""Moments further from one axis than this (Bohr magnetons) are not collinear."""


def from_structures(
    structures: Sequence[IStructure | IMolecule],
) -> dict[str, NDArray[np.float64]]:
    """
    Read the electronic state of pymatgen objects.

    Parameters
    ----------
    structures
        Their moments are the site property ``magmom``, else the spins of their
        species; a site without one has none where another site has. Their charge is
        what was given to them; their multiplicity is ``spin_multiplicity`` where that
        is not the lowest possible, which pymatgen fills in. Else both are those of
        ``properties``.

    Returns
    -------
    dict
        Columns of a Dataset: see `flowpot.dataset.electronic_state`.
    """
    moments = [_moments(each, frame) for frame, each in enumerate(structures)]
    charges = [_charge(each, frame) for frame, each in enumerate(structures)]
    return {
        "magmoms": np.concatenate([np.empty(0), *moments]),
        "charge": numbers_of(charges, "charge"),
        "spin": numbers_of([_spin(each) for each in structures], "spin"),
    }


def _moments(structure: IStructure | IMolecule, frame: int) -> NDArray[np.float64]:
    """Return the moments of one frame, NaN where it has none."""
    found = [site.properties.get("magmom") for site in structure]
    if all(each is None for each in found):
        found = [getattr(site.specie, "spin", None) for site in structure]
    if all(each is None for each in found):
        return np.full(len(structure), np.nan)
    return collinear([0.0 if each is None else each for each in found], frame)


def collinear(moments: Sequence[Any], frame: int) -> NDArray[np.float64]:
    """
    Turn moments into signed numbers along their common axis.

    Parameters
    ----------
    moments
        Numbers, vectors along z, or pymatgen's Magmoms along any one axis.
    frame
        For the message.

    Raises
    ------
    ValueError
        Where they have no common axis.
    """
    if all(isinstance(each, Real) for each in moments):
        return np.array(moments, float)
    vectors = np.array([Magmom(each).global_moment for each in moments], float)
    lengths = np.linalg.norm(vectors, axis=1)
    axis = vectors[lengths.argmax()] / (lengths.max() or 1.0)
    # The axis itself has no sign: its largest component points up.
    axis *= np.sign(axis[np.abs(axis).argmax()]) or 1.0
    along = vectors @ axis
    if (np.linalg.norm(vectors - along[:, None] * axis, axis=1) > _STRAIGHT).any():
        raise Where().frame(
            frame,
            "its magnetic moments have no common axis, and non-collinear magnetism is "
            "not supported: give one number per atom",
        )
    return np.asarray(along)


def _charge(structure: IStructure | IMolecule, frame: int) -> Any:
    """Return the charge that a frame was given, None where it was given none."""
    given = structure._charge  # noqa: SLF001
    if isinstance(structure, IMolecule):
        # Zero is what pymatgen fills in.
        return given or structure.properties.get("charge")
    if given is None:
        given = structure.properties.get("charge")
    if given is None and abs(formal := structure.charge) > _STRAIGHT:
        warnings.warn(
            f"frame {frame}: its oxidation states add up to {formal:+g}, which is not "
            "taken for its charge: call set_charge if the cell is charged",
            stacklevel=2,
        )
    return given


def _spin(structure: IStructure | IMolecule) -> Any:
    if isinstance(structure, IMolecule):
        given = structure.spin_multiplicity
        numbers = np.array(structure.atomic_numbers)
        if given != lowest_spin(numbers, structure.charge):
            return given
    return structure.properties.get("spin")


def set_state(
    structure: Structure | Molecule,
    magmoms: NDArray[np.float64],
    charge: float,
    spin: float,
) -> None:
    """
    Attach to a pymatgen object the parts of a state that are not NaN.

    Charge and multiplicity go to ``properties`` where pymatgen cannot tell them from
    what it fills in, or has no place for them.
    """
    if len(magmoms) and not np.isnan(magmoms[0]):
        structure.add_site_property("magmom", magmoms.tolist())
    if not np.isnan(spin):
        structure.properties["spin"] = plain(spin)
    if isinstance(structure, Molecule):
        if not np.isnan(charge):
            structure.properties["charge"] = plain(charge)
        _set_molecule(structure, charge, spin)
    elif not np.isnan(charge):
        structure.set_charge(plain(charge))


def _set_molecule(molecule: Molecule, charge: float, spin: float) -> None:
    """Return a Molecule its charge and multiplicity, as far as it can have them."""
    total = 0 if np.isnan(charge) else plain(charge)
    numbers = np.array(molecule.atomic_numbers)
    lowest = lowest_spin(numbers, total)
    wanted = lowest if np.isnan(spin) else plain(spin)
    if isinstance(total, int) and isinstance(wanted, int) and wanted % 2 == lowest % 2:
        molecule.set_charge_and_spin(total, wanted)
