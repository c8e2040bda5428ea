"""Vacuum: where a frame has it, and how to leave enough of it around the atoms."""

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.cells import completed, is_flat, lattice_planes
from flowpot.dataset.geometry.closeness import MIN_DISTANCE_MADE
from flowpot.dataset.geometry.neighbours import closest_contact

_AXES = "abc"
_TOUCHING = 4.0
"""Layers and molecules touch within this distance (A): van der Waals gaps are smaller,
vacuum is larger."""
_MARGIN = 1e-9
"""Cells grow by this much more (A), so that rounding never leaves too little."""
_INSIDE = 1e-6
"""Atoms this far outside a cell (in fractions, or in A) still count as inside."""


class VacuumWarning(UserWarning):
    """Frames have vacuum along axes that their file calls periodic."""


def widest_gap(fractions: NDArray[np.float64]) -> tuple[float, float]:
    """
    Find the widest gap between atoms, and images of atoms, along one cell vector.

    Parameters
    ----------
    fractions
        Fractional coordinates of the atoms along the vector, shape (N,), in [0, 1].

    Returns
    -------
    tuple
        Width of the gap, as a fraction of the vector, and the fractional coordinate of
        the atom at its upper end: the lowest atom, where the gap lies across the
        cell's boundary.
    """
    ordered = np.sort(fractions)
    gaps = np.diff(ordered, append=ordered[0] + 1.0)
    widest = int(gaps.argmax())
    return float(gaps[widest]), float(ordered[(widest + 1) % len(ordered)])


def widest_layers(atoms: Atoms) -> NDArray[np.float64]:
    """
    Measure the widest empty layer along each cell vector.

    Parameters
    ----------
    atoms
        A cell with a volume. Where in it the atoms lie does not matter.

    Returns
    -------
    numpy.ndarray
        Thickness between the lattice planes that bound it, images of atoms across the
        cell's faces included, shape (3,), in A.
    """
    _, heights = lattice_planes(atoms.cell.array)
    # The second remainder takes the 1.0 that the first leaves of a tiny negative.
    fractions = atoms.get_scaled_positions(wrap=False) % 1.0 % 1.0
    return heights * [widest_gap(along)[0] for along in fractions.T]


def empty_directions(atoms: Atoms, wider: float = 5.0) -> list[int]:
    """
    Find directions that are called periodic although they hold vacuum.

    Parameters
    ----------
    atoms
        A cell with a volume.
    wider
        Empty layers wider than this (A) are vacuum.

    Returns
    -------
    list of int
        Indices of cell vectors; none for a single atom, whose images are its
        neighbours.
    """
    if len(atoms) == 1:
        return []
    return np.flatnonzero(atoms.pbc & (widest_layers(atoms) > wider)).tolist()


def vacuum_note(frames: Iterable[Atoms]) -> str | None:
    """
    Say which frames hold vacuum along a periodic axis, and what to do about it.

    Parameters
    ----------
    frames
        The frames; they stay as they are.

    Returns
    -------
    str or None
        One sentence; None where no frame does.
    """
    with_vacuum = []
    for frame, atoms in enumerate(frames):
        if atoms.pbc.any() and abs(np.linalg.det(atoms.cell)) > 0:
            axes = empty_directions(atoms)
            with_vacuum += [(frame, axes)] if axes else []
    if not with_vacuum:
        return None
    frame, axes = with_vacuum[0]
    names = " and ".join(_AXES[axis] for axis in axes)
    wanted = "".join("F" if axis in axes else "T" for axis in range(3))
    return (
        f"{len(with_vacuum)} frame(s), the first of them frame {frame}, are periodic "
        f"along {names} and hold vacuum there; they are taken as they are: set pbc to "
        f"{wanted} if they are slabs, wires or molecules"
    )


def open_cells(
    frames: Arrays, vacuum: float, *, centre: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Lengthen the cell vectors of open directions until they leave enough vacuum.

    The vectors keep their direction, and grow until the planes of the other two are
    the atoms' extent plus the vacuum apart; missing ones are added.

    Parameters
    ----------
    frames
        n frames of A atoms in all.
    vacuum
        Thickness of vacuum between images along open directions, in A. More is kept.
    centre
        Whether to centre the atoms of all frames along open directions. Else this is
        done where the cell has grown, and where atoms lie outside of it.

    Returns
    -------
    tuple
        New cells (n, 3, 3) and positions (A, 3), in A.
    """
    offsets, open_axes = frames.offsets, ~frames.pbc
    cell = completed(frames.cell, frames.pbc)
    normals, height = lattice_planes(cell)
    frame_of = np.repeat(np.arange(len(frames)), frames.n_atoms)
    along = np.einsum("ax,aix->ai", frames.positions, normals[frame_of])
    top = np.maximum.reduceat(along, offsets[:-1])
    bottom = np.minimum.reduceat(along, offsets[:-1])
    needed = top - bottom + vacuum
    short = open_axes & (height < needed)
    factor = np.where(short, (needed + _MARGIN) / height, 1.0)
    grown = cell * factor[:, :, None]
    room = height * factor
    outside = (bottom < -_INSIDE) | (top > room + _INSIDE)
    move = open_axes & (outside | short | centre)
    share = np.where(move, 0.5 - 0.5 * (top + bottom) / room, 0.0)
    shift = np.einsum("ni,nix->nx", share, grown)
    return grown, frames.positions + shift[frame_of]


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
        A copy, with the cell of `open_cells`. A fully periodic structure comes back
        unchanged.

    Raises
    ------
    ValueError
        Where `vacuum` is not positive.

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
    copied = atoms.copy()
    copied.calc = None
    if copied.pbc.all():
        return copied
    joined = _joined_across_boundary(copied)
    # A wrapped slab is whole again; what then overlaps was never wrapped.
    is_whole = closest_contact(joined, MIN_DISTANCE_MADE) >= MIN_DISTANCE_MADE
    frame = joined if is_whole else copied
    _set_open_cell(frame, vacuum, centre=False)
    return frame


def restore_vacuum(
    atoms: Atoms, vacuum: float, *, detect: float | None = None
) -> Atoms:
    """
    Centre a frame along its open directions, with enough vacuum.

    Parameters
    ----------
    atoms
        The frame, as molecular dynamics leaves it: along open directions its atoms may
        have drifted out of the cell.
    vacuum
        Thickness of vacuum between images along open directions, in A. More is kept.
    detect
        Empty layers of this thickness (A) along a direction that is marked as periodic
        make it an open one; a slab that straddles the cell's boundary is joined. None
        trusts ``atoms.pbc``.

    Returns
    -------
    Atoms
        A copy, with the cell of `open_cells`; distances between atoms are kept.
    """
    atoms = atoms.copy()
    if detect is not None:
        for axis in np.flatnonzero(atoms.pbc & (widest_layers(atoms) >= detect)):
            atoms.pbc[axis] = False
            # Move atoms by cell vectors so that the widest gap lies above all of them.
            wrapped = atoms.get_scaled_positions(wrap=False)[:, axis] % 1.0 % 1.0
            _, first = widest_gap(wrapped)
            before = atoms.cell.scaled_positions(atoms.positions)[:, axis]
            shift = (wrapped - first) % 1.0 - before
            atoms.positions += np.outer(shift, atoms.cell.array[axis])
    if not atoms.pbc.all():
        _set_open_cell(atoms, vacuum, centre=True)
    return atoms


def _set_open_cell(atoms: Atoms, vacuum: float, *, centre: bool) -> None:
    cell, positions = open_cells(Arrays.of_atoms(atoms), vacuum, centre=centre)
    atoms.set_cell(cell[0])
    atoms.positions = positions


def _joined_across_boundary(atoms: Atoms) -> Atoms:
    """Bring together what wrapping has put at both ends of an open direction."""
    cell = atoms.cell.array
    if is_flat(cell):
        return atoms
    joined = atoms.copy()
    fractions = np.linalg.solve(cell.T, atoms.positions.T).T
    _, height = lattice_planes(cell)
    for axis in np.flatnonzero(~atoms.pbc):
        along = fractions[:, axis]
        if along.min() < -_INSIDE or along.max() > 1 + _INSIDE:
            continue  # never wrapped: it is as its author wants it
        gap, end = widest_gap(along)
        across = 1 - along.max() + along.min()
        if gap * height[axis] > _TOUCHING >= across * height[axis]:
            joined.positions[along >= end] -= cell[axis]
    return joined
