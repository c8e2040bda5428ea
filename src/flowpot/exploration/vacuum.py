"""Vacuum around slabs, wires and molecules, after molecular dynamics has moved them."""

import numpy as np
from ase import Atoms


def restore_vacuum(
    atoms: Atoms, vacuum: float, *, detect: float | None = None
) -> Atoms:
    """
    Centre a frame along its non-periodic axes, with enough vacuum.

    Parameters
    ----------
    atoms
        The frame. Along non-periodic axes its atoms may lie outside the cell.
    vacuum
        Gap (A) to the next image along a non-periodic axis: a cell vector that leaves
        less is lengthened, none is shortened.
    detect
        Gap (A) from which an axis that is marked as periodic counts as non-periodic.
        The gap is looked for around the cell, so that a slab that straddles its
        boundary is found, and joined. None trusts ``atoms.pbc``.

    Returns
    -------
    ase.Atoms
        A copy; distances between atoms are kept, and cells along periodic axes.
    """
    atoms = atoms.copy()
    for axis in range(3):
        if atoms.pbc[axis]:
            if detect is None or not _open_gap(atoms, axis, detect):
                continue
            atoms.pbc[axis] = False
        normal, height = _normal(atoms, axis)
        along = atoms.positions @ normal
        wanted = max(height, np.ptp(along) + vacuum)
        # A gap restored before keeps its cell, whatever the last digit says.
        if wanted > height * (1 + 1e-9):
            atoms.cell[axis] *= wanted / height
            height = wanted
        middle = (along.min() + along.max()) / 2
        atoms.positions += (height / 2 - middle) / height * atoms.cell.array[axis]
    return atoms


def _normal(atoms: Atoms, axis: int) -> tuple[np.ndarray, float]:
    """Direction normal to the other two cell vectors, and the cell's height along."""
    cell = atoms.cell.array
    normal = np.cross(*np.delete(cell, axis, axis=0))
    normal /= np.linalg.norm(normal)
    height = float(cell[axis] @ normal)
    return (normal, height) if height > 0 else (-normal, -height)


def _open_gap(atoms: Atoms, axis: int, detect: float) -> bool:
    """Bring the largest gap along an axis to the cell's boundary, if it is vacuum."""
    _, height = _normal(atoms, axis)
    scaled = atoms.get_scaled_positions(wrap=True)[:, axis]
    sites = np.sort(scaled)
    gaps = np.diff(sites, append=sites[0] + 1)
    widest = int(gaps.argmax())
    if gaps[widest] * height < detect:
        return False
    first = sites[(widest + 1) % len(sites)]
    joined = (scaled - first) % 1.0
    before = atoms.cell.scaled_positions(atoms.positions)[:, axis]
    atoms.positions += np.outer(joined - before, atoms.cell.array[axis])
    return True
