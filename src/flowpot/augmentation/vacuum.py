"""Vacuum along open directions: for any cell shape, and never less than asked for."""

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell
from numpy.typing import NDArray

from flowpot.dataset.geometry.closeness import MIN_DISTANCE_MADE
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.dataset.geometry.vacuum import widest_gap

_CONTACT = 4.0
"""Layers and molecules touch within this distance (A): van der Waals gaps are smaller,
vacuum is larger."""
_FLAT = 1e-6
_MARGIN = 1e-9
"""Cells grow by this much more (A), so that rounding never leaves too little."""
_INSIDE = 1e-6


def add_vacuum(atoms: Atoms, vacuum: float = 15.0) -> Atoms:
    """
    Leave at least some vacuum along every direction that is not periodic.

    Parameters
    ----------
    atoms
        Any cell: skewed, or absent along open directions. Atoms of a slab or molecule
        that a wrapped input has put on both sides of the cell are joined again.
    vacuum
        Thickness of vacuum between periodic images, in A. More is kept.

    Returns
    -------
    Atoms
        A copy. Cell vectors of open directions keep their direction, and grow until
        the planes of the other two are the atoms' extent plus the vacuum apart;
        where they had to, and where atoms lay outside the cell, the atoms are centred.
        A fully periodic structure comes back unchanged.

    Examples
    --------
    >>> from ase.build import graphene, molecule
    >>> round(float(add_vacuum(graphene()).cell[2, 2]), 2)
    15.0
    >>> [round(float(x), 2) for x in add_vacuum(molecule("N2"), 10).cell.lengths()]
    [10.0, 10.0, 11.13]
    """
    if not vacuum > 0:
        raise ValueError(f"vacuum is {vacuum}: give a positive length in A, such as 15")
    made = atoms.copy()
    made.calc = None
    if made.pbc.all():
        return made
    joined = _joined_across_boundary(made)
    # A wrapped slab is whole again; what then overlaps was never wrapped.
    if closest_contact(joined, MIN_DISTANCE_MADE) >= MIN_DISTANCE_MADE:
        made = joined
    cell, positions = open_cells(
        np.array(made.cell)[None],
        made.pbc[None],
        made.positions,
        np.array([0, len(made)]),
        vacuum,
    )
    made.set_cell(cell[0])
    made.positions = positions
    return made


def open_cells(
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    positions: NDArray[np.float64],
    offsets: NDArray[np.int64],
    vacuum: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Do for many frames at once what `add_vacuum` does for one.

    Parameters
    ----------
    cell, pbc, positions, offsets
        Columns of a Dataset: shapes (n, 3, 3), (n, 3), (A, 3), (n + 1,).
    vacuum
        In A.

    Returns
    -------
    tuple
        New cells (n, 3, 3) and positions (A, 3), in A.
    """
    cell = completed(cell, pbc)
    # Rows of the transposed inverse are the normals of the lattice planes, divided by
    # the planes' distance.
    reciprocal = np.linalg.inv(cell).transpose(0, 2, 1)
    height = 1 / np.linalg.norm(reciprocal, axis=2)
    atoms_of = np.repeat(np.arange(len(cell)), np.diff(offsets))
    heights_of_atoms = np.einsum(
        "ax,aix->ai", positions, (reciprocal * height[:, :, None])[atoms_of]
    )
    top = np.maximum.reduceat(heights_of_atoms, offsets[:-1])
    bottom = np.minimum.reduceat(heights_of_atoms, offsets[:-1])
    needed = top - bottom + vacuum
    enough = pbc | (height >= needed)
    factor = np.where(enough, 1.0, (needed + _MARGIN) / height)
    grown = cell * factor[:, :, None]
    room = height * factor
    outside = (bottom < -_INSIDE) | (top > room + _INSIDE)
    move = ~pbc & (outside | (factor > 1))
    share = np.where(move, 0.5 - 0.5 * (top + bottom) / room, 0.0)
    shift = np.einsum("ni,nix->nx", share, grown)
    return grown, positions + shift[atoms_of]


def completed(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """
    Add a cell vector along every open direction where the frame has none.

    Parameters
    ----------
    cell, pbc
        Shapes (n, 3, 3) and (n, 3).

    Returns
    -------
    numpy.ndarray
        Cells that all have a volume: vectors that are missing, or lie in the span of
        the others, become unit vectors orthogonal to the periodic ones.
    """
    cell = np.array(cell)
    lengths = np.linalg.norm(cell, axis=2).prod(axis=1)
    flat = np.abs(np.linalg.det(cell)) <= _FLAT * lengths
    for frame in np.flatnonzero(flat):
        cell[frame] = complete_cell(np.where(pbc[frame][:, None], cell[frame], 0.0))
    return cell


def _joined_across_boundary(atoms: Atoms) -> Atoms:
    """Bring together what wrapping has put at both ends of an open direction."""
    cell = np.array(atoms.cell)
    if abs(np.linalg.det(cell)) <= _FLAT * np.linalg.norm(cell, axis=1).prod():
        return atoms
    joined = atoms.copy()
    fractions = np.linalg.solve(cell.T, atoms.positions.T).T
    height = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    for axis in np.flatnonzero(~atoms.pbc):
        along = fractions[:, axis]
        if along.min() < -_INSIDE or along.max() > 1 + _INSIDE:
            continue  # never wrapped: it is as its author wants it
        gap, end, across = widest_gap(along)
        if gap * height[axis] > _CONTACT >= across * height[axis]:
            joined.positions[along >= end] -= cell[axis]
    return joined
