"""
Map cells and vectors to LAMMPS's axes, and exactly back.

LAMMPS needs a right-handed lower-triangular cell. Any cell C of row vectors is one
orthogonal matrix away from that form: with the axes reordered by a permutation P so
that the periodic ones come first, P C = L Q^T with L lower triangular (the QR
decomposition of its transpose). Q is improper for left-handed cells: the atoms then
move in the mirror world, where the laws of motion, the energy, the pressure and the
barostats are the same. A model sees its frames mapped back to the original
orientation, so that nothing depends on its own invariances.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms

_FLAT = 1e-6  # height of a cell over its longest edge below which it is degenerate


@dataclass(frozen=True, eq=False)
class LammpsCell:
    """
    The map between a frame's axes and LAMMPS's.

    Attributes
    ----------
    order
        (3,) cell vectors in LAMMPS's order: periodic ones first, so that barostats
        and their pressure components lie along them.
    rotation
        (3, 3) orthogonal Q: a row vector v becomes v Q.
    start
        (3, 3) the frame's lower-triangular cell (A).
    """

    order: np.ndarray
    rotation: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, atoms: Atoms) -> Self:
        """
        Return the map of a frame with three cell vectors.

        Raises
        ------
        ValueError
            If the cell encloses no volume.
        """
        cell = atoms.cell.array
        edge = np.linalg.norm(cell, axis=1).max()
        if edge == 0 or abs(np.linalg.det(cell)) < _FLAT * edge**3:
            raise ValueError(
                f"the cell {cell.tolist()} of {atoms.symbols} encloses no volume: "
                "give every axis a cell vector, vacuum along the non-periodic ones"
            )
        order = np.argsort(~atoms.pbc, kind="stable")
        rotation, upper = np.linalg.qr(cell[order].T)
        signs = np.sign(np.diag(upper))
        return cls(order, rotation * signs, np.tril((upper * signs[:, None]).T))

    def vectors(self, values: np.ndarray) -> np.ndarray:
        """Rotate positions, velocities or forces, (..., 3), to LAMMPS's axes."""
        return values @ self.rotation

    def vectors_back(self, values: np.ndarray) -> np.ndarray:
        """Rotate positions, velocities or forces, (..., 3), to the frame's axes."""
        return values @ self.rotation.T

    def tensor(self, values: np.ndarray) -> np.ndarray:
        """Rotate a stress, (3, 3), to LAMMPS's axes."""
        return self.rotation.T @ values @ self.rotation

    def tensor_back(self, values: np.ndarray) -> np.ndarray:
        """Rotate a stress, (3, 3), to the frame's axes."""
        return self.rotation @ values @ self.rotation.T

    def cell_back(self, lower: np.ndarray) -> np.ndarray:
        """Return cell vectors (A), (3, 3), in the frame's order and axes."""
        cell = np.empty((3, 3))
        cell[self.order] = self.vectors_back(lower)
        return cell

    def positions_back(
        self,
        positions: np.ndarray,
        images: np.ndarray,
        lower: np.ndarray,
        origin: np.ndarray,
        pbc: np.ndarray,
    ) -> np.ndarray:
        """
        Return positions (A), (n, 3), in the frame's axes.

        Parameters
        ----------
        positions
            (n, 3) positions that LAMMPS has wrapped into its box (A).
        images
            (n, 3) counts of box lengths by which each atom was wrapped.
        lower
            (3, 3) cell of LAMMPS (A).
        origin
            (3,) lower corner of LAMMPS's box (A), which barostats move.
        pbc
            (3,) periodic axes of the *frame*. LAMMPS's box is periodic along all:
            along the others atoms are put back where they left, so that a
            molecule or slab never falls apart.
        """
        left = images * ~np.asarray(pbc)[self.order]
        return self.vectors_back(positions - origin + left @ lower)


def lower_triangle(lengths: np.ndarray, xy: float, xz: float, yz: float) -> np.ndarray:
    """Return the cell (A), (3, 3), of LAMMPS's box lengths and tilt factors (A)."""
    cell = np.diag(np.asarray(lengths, dtype=float))
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell
