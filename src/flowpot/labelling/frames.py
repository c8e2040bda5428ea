"""Frames as engines take them, and which frames no engine may start on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core import Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import electronic_state
from flowpot.dataset.geometry.closeness import accepted_distance
from flowpot.dataset.geometry.neighbours import closest_pair
from flowpot.dataset.geometry.vacuum import widest_layers
from flowpot.dataset.io.pymatgen import from_structures, set_state

_MOLECULE_VACUUM = 7.5  # A on each side: 15 A to the next image, the default vacuum
_NO_VOLUME = 1e-3  # A^3


def to_atoms(structure: Structure | Molecule | Atoms) -> Atoms:
    """
    Return the bare frame of a structure, without labels and metadata.

    Parameters
    ----------
    structure
        The periodic axes of a Structure are those of its lattice. A Molecule has no
        cell: it is put in a box with 15 A between its images.

    Returns
    -------
    Atoms
        Species, positions, cell, periodic axes and, where there are any, initial
        magnetic moments, charge and multiplicity (see
        :mod:`flowpot.dataset.electronic_state`).
    """
    if isinstance(structure, Atoms):
        atoms = electronic_state.bare(structure)
    else:
        arrays = from_structures([structure])
        atoms = Atoms(
            arrays["numbers"],
            arrays["positions"],
            cell=arrays["cell"][0],
            pbc=arrays["pbc"][0],
        )
        electronic_state.set_state(
            atoms, arrays["magmoms"], arrays["charge"][0], arrays["spin"][0]
        )
    if not any(atoms.pbc) and atoms.cell.rank < len(atoms.cell):
        atoms.center(vacuum=_MOLECULE_VACUUM)
    return atoms


def to_structure(
    structure: Structure | Molecule | Atoms, *, periodic: bool = False
) -> Structure:
    """
    Return the pymatgen Structure of a frame, without labels and metadata.

    Parameters
    ----------
    structure
        The frame.
    periodic
        Whether a frame without periodic axes becomes a periodic box. If not, the
        lattice keeps the axes that are periodic.
    """
    atoms = to_atoms(structure)
    if periodic and not any(atoms.pbc):
        atoms.pbc = True
    state = electronic_state.from_atoms([atoms])
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    converted = AseAtomsAdaptor.get_structure(bare)
    set_state(converted, state["magmoms"], state["charge"][0], state["spin"][0])
    return converted


def usual_order(structure: Structure) -> list[int]:
    """
    Return the order of atoms to which codes' input sets sort a structure.

    VASP's, for example, sorts by electronegativity and returns the forces in that
    order. A structure that is sent in this order keeps it: pymatgen's sort is stable.
    """
    return sorted(range(len(structure)), key=structure.__getitem__)


def in_order(structure: Structure, order: Sequence[int]) -> Structure:
    """Return the structure with its atoms in another order."""
    return Structure.from_sites(
        [structure[index] for index in order],
        charge=structure._charge,  # noqa: SLF001  as get_sorted_structure hands it on
        properties=structure.properties,
    )


def periodic_structure(atoms: Atoms) -> tuple[Structure, list[int] | None]:
    """
    Return a frame as other packages' Makers get it, and the order of its atoms.

    Such Makers know periodic structures, and molecules without a cell. Isolated atoms
    and clusters are handed to them as periodic boxes, which is what VASP needs.

    Returns
    -------
    structure
        Its atoms are in the order to which input sets sort them.
    order
        Index in the frame of each atom of `structure`; None if the order is the
        frame's own.
    """
    structure = to_structure(atoms, periodic=True)
    order = usual_order(structure)
    if order == sorted(order):
        return structure, None
    return in_order(structure, order), order


@dataclass(frozen=True)
class GeometryProblem:
    """
    Why no engine should start on a frame.

    Parameters
    ----------
    criterion
        What is wrong: ``"content"``, ``"cell"``, ``"volume"``, ``"vacuum"``,
        ``"distance"`` or ``"state"`` (see :func:`state_problem`).
    reason
        The problem in words, with its numbers.
    """

    criterion: str
    reason: str


def geometry_problem(
    atoms: Atoms,
    *,
    min_distance_fraction: float | None = None,
    volume_per_atom: tuple[float, float] | None = None,
    vacuum: tuple[float, float] | None = None,
) -> GeometryProblem | None:
    """
    Return why a frame must not be sent to an engine, None if it may be.

    Parameters
    ----------
    atoms
        The frame.
    min_distance_fraction
        Shortest allowed distance of two atoms over the sum of their covalent radii
        (Cordero et al. 2008, in ASE). Electronic structure codes stop on coincident
        atoms and waste hours on nearly coincident ones. None is the common limit,
        :data:`flowpot.dataset.geometry.closeness.MIN_DISTANCE`.
    volume_per_atom
        Smallest and largest allowed volume per atom (A^3) of fully periodic frames.
    vacuum
        Smallest and largest allowed empty space (A) along axes that are not periodic.
        In too little the frame interacts with its images; too much costs plane waves.

    Returns
    -------
    GeometryProblem or None
        The first problem of the frame.
    """
    if len(atoms) == 0:
        return GeometryProblem("content", "the frame has no atoms")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell[:]).all()):
        return GeometryProblem("content", "positions or cell are not finite numbers")
    if atoms.cell.rank < len(atoms.cell) or atoms.cell.volume < _NO_VOLUME:
        lengths = ", ".join(f"{length:.3g}" for length in atoms.cell.lengths())
        reason = f"the cell has no volume (lengths {lengths} A): give "
        return GeometryProblem("cell", reason + "non-periodic axes a vacuum")
    volumes = np.array([atoms.cell.volume / len(atoms)] if all(atoms.pbc) else [])
    fraction = accepted_distance(min_distance_fraction)
    too_close = None
    if (pair := closest_pair(atoms, fraction)) is not None:
        symbols = atoms.get_chemical_symbols()
        too_close = (
            f"atoms {pair.first} ({symbols[pair.first]}) and {pair.second} "
            f"({symbols[pair.second]}) are {pair.distance:.3f} A apart, "
            f"{pair.ratio:.2f} of the sum of their covalent radii (limit {fraction:g})"
        )
    problems = {
        "volume": _outside(volumes, volume_per_atom, "A^3/atom"),
        "vacuum": _outside(widest_layers(atoms)[~atoms.pbc], vacuum, "A"),
        "distance": too_close,
    }
    return next((GeometryProblem(k, v) for k, v in problems.items() if v), None)


def state_problem(atoms: Atoms, maker: Any) -> GeometryProblem | None:
    """
    Return why another package's Maker would label a frame of another charge or spin.

    Parameters
    ----------
    atoms
        The frame.
    maker
        The Maker. VASP's read the charge of a Structure if their input set has
        ``use_structure_charge``; none reads a multiplicity. All read initial moments.

    Returns
    -------
    GeometryProblem or None
        None if the Maker reads all that the frame has.
    """
    generator = getattr(maker, "input_set_generator", None)
    charge, spin = atoms.info.get("charge"), atoms.info.get("spin")
    name = type(maker).__name__
    if charge and not getattr(generator, "use_structure_charge", False):
        return GeometryProblem(
            "state",
            f"its charge is {charge:g}, which {name} does not read: set "
            "use_structure_charge in its input set, if it has that, or leave charged "
            "frames out",
        )
    if spin is not None:
        return GeometryProblem(
            "state",
            f"its spin (multiplicity) is {spin:g}, which {name} does not read: give "
            "initial moments instead, and remove it by with_state(spin=nan)",
        )
    return None


def check_geometry(
    structure: Structure | Molecule | Atoms,
    *,
    min_distance_fraction: float | None = None,
) -> None:
    """
    Refuse a frame that no engine should start on.

    Parameters
    ----------
    structure
        The frame.
    min_distance_fraction
        Shortest allowed distance of two atoms over the sum of their covalent radii;
        None for the common limit.

    Raises
    ------
    ValueError
        With the problem, its numbers, and what to do about it.
    """
    problem = geometry_problem(
        to_atoms(structure), min_distance_fraction=min_distance_fraction
    )
    if problem:
        raise ValueError(
            f"structure cannot be labelled: {problem.reason}. Correct it first"
        )


def _outside(
    values: NDArray[np.float64], window: tuple[float, float] | None, unit: str
) -> str | None:
    """Describe the first value outside a window, None if there is none."""
    low, high = window or (-np.inf, np.inf)
    outside = values[(values < low) | (values > high)]
    if len(outside) == 0:
        return None
    return f"{outside[0]:.2f} {unit} is outside [{low:g}, {high:g}]"
