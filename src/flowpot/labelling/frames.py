"""From the structures users hold to frames engines label, if they are sane."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pymatgen.core import Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset.contacts import closest_pair

_MOLECULE_VACUUM = 7.5  # A on each side: 15 A to the next image, the default vacuum
_NO_VOLUME = 1e-3  # A^3


def to_atoms(structure: Structure | Molecule | Atoms) -> Atoms:
    """
    Take the bare frame out of whatever holds it.

    Parameters
    ----------
    structure
        The periodic axes of a Structure are those of its lattice. A Molecule has no
        cell: it is put in a box with 15 A between its images.

    Returns
    -------
    Atoms
        Species, positions, cell, periodic axes and, where there are any, initial
        magnetic moments; neither labels nor metadata.
    """
    if not isinstance(structure, Atoms):
        structure = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms = Atoms(
        numbers=structure.numbers,
        positions=structure.positions,
        cell=structure.cell,
        pbc=structure.pbc,
    )
    if structure.has("initial_magmoms"):
        atoms.set_initial_magnetic_moments(structure.get_initial_magnetic_moments())
    if not any(atoms.pbc) and atoms.cell.rank < len(atoms.cell):
        atoms.center(vacuum=_MOLECULE_VACUUM)
    return atoms


def to_structure(
    structure: Structure | Molecule | Atoms, *, periodic: bool = False
) -> Structure:
    """
    Give the pymatgen Structure of a bare frame, whatever holds it.

    Parameters
    ----------
    structure
        The frame.
    periodic
        Whether a frame without periodic axes becomes a periodic box. Otherwise its
        periodic axes survive in the lattice: an isolated atom stays one through JSON.
    """
    atoms = to_atoms(structure)
    if periodic and not any(atoms.pbc):
        atoms.pbc = True
    return AseAtomsAdaptor.get_structure(atoms)


def geometry_problem(
    atoms: Atoms,
    *,
    min_distance_fraction: float = 0.5,
    volume_per_atom: tuple[float, float] | None = None,
) -> str | None:
    """
    Say why a frame must not reach an engine, or None where it may.

    Parameters
    ----------
    atoms
        The frame.
    min_distance_fraction
        Shortest allowed distance of two atoms over the sum of their covalent radii
        (Cordero et al. 2008, in ASE). Electronic structure codes stop on coincident
        atoms and waste hours on nearly coincident ones.
    volume_per_atom
        Smallest and largest allowed volume per atom (A^3) of fully periodic frames.

    Returns
    -------
    str or None
        The first problem found, with its numbers.
    """
    if len(atoms) == 0:
        return "the frame has no atoms"
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell[:]).all()):
        return "positions or cell are not finite numbers"
    if atoms.cell.rank < len(atoms.cell) or atoms.cell.volume < _NO_VOLUME:
        return (
            f"the cell has no volume (lengths {_numbers(atoms.cell.lengths())} A): "
            "give non-periodic axes a vacuum"
        )
    if volume_per_atom is not None and all(atoms.pbc):
        volume = atoms.cell.volume / len(atoms)
        if not volume_per_atom[0] <= volume <= volume_per_atom[1]:
            return (
                f"volume is {volume:.2f} A^3/atom, outside "
                f"[{volume_per_atom[0]:g}, {volume_per_atom[1]:g}]"
            )
    return _too_close(atoms, min_distance_fraction)


def check_geometry(
    structure: Structure | Molecule | Atoms, *, min_distance_fraction: float = 0.5
) -> None:
    """
    Refuse a frame that no engine should start on.

    Raises
    ------
    ValueError
        With the problem, its numbers, and what to do about it.
    """
    problem = geometry_problem(
        to_atoms(structure), min_distance_fraction=min_distance_fraction
    )
    if problem:
        raise ValueError(f"structure cannot be labelled: {problem}. Correct it first")


def _too_close(atoms: Atoms, fraction: float) -> str | None:
    """Name the pair of atoms, images included, that is closest below the limit."""
    pair = closest_pair(atoms, fraction)
    if pair is None:
        return None
    symbols = atoms.get_chemical_symbols()
    return (
        f"atoms {pair.first} ({symbols[pair.first]}) and {pair.second} "
        f"({symbols[pair.second]}) are {pair.distance:.3f} A apart, {pair.ratio:.2f} "
        f"of the sum of their covalent radii (limit {fraction:g})"
    )


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    """Write a few numbers in a row."""
    return ", ".join(f"{value:.3g}" for value in values)
