"""Crystals from which slabs are cut, in the smallest cell of each surface."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from pymatgen.core.surface import Slab, SlabGenerator
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from flowpot.augmentation.inheritance import starting_moments

_DIGITS = 2
"""Decimals of moments (Bohr magnetons) in which sites differ for the symmetry."""
_GAP = 5.0
"""Vacuum that pymatgen leaves on slabs (A); the final one is added later."""


@dataclass(frozen=True)
class Crystal:
    """
    A crystal to cut slabs from.

    Parameters
    ----------
    primitive
        Primitive cell, from which slabs are cut to have the smallest surface cells.
    conventional
        Conventional lattice, by which planes are indexed.
    rotations
        The m operations of the point group, in fractional coordinates of the
        conventional lattice, shape (m, 3, 3).
    """

    primitive: Structure
    conventional: Lattice
    rotations: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms) -> "Crystal":
        """Find both cells and the point group with spglib."""
        moments = np.nan_to_num(starting_moments(atoms))
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        structure = AseAtomsAdaptor.get_structure(plain)
        if moments.any():
            # As spins of species they tell sites apart, and survive being cut.
            structure.add_spin_by_site(moments.round(_DIGITS).tolist())
        analyzer = SpacegroupAnalyzer(structure)
        conventional = analyzer.get_conventional_standard_structure()
        symmetry = SpacegroupAnalyzer(conventional).get_symmetry_dataset()
        return cls(
            conventional.get_primitive_structure(),
            conventional.lattice,
            np.unique(np.asarray(symmetry.rotations, np.int64), axis=0),
        )

    def distinct(
        self, indices: Sequence[tuple[int, ...]]
    ) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
        """
        Group planes that are equivalent by symmetry.

        A rotation W of the crystal takes the plane h to h W^-1 (International Tables
        for Crystallography A, 5.1). Both sides of a plane bound the same slab, so that
        h and -h are equivalent, too, and so are multiples of h.

        Parameters
        ----------
        indices
            Miller indices of the planes, in the conventional cell.

        Returns
        -------
        dict
            For the first plane of each group, the others of the group.
        """
        kinds: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        first: dict[tuple[int, ...], tuple[int, ...]] = {}
        for index in indices:
            images = np.array(index) // np.gcd.reduce(index) @ self.rotations
            name = max(map(tuple, np.concatenate([images, -images]).tolist()))
            if first.setdefault(name, index) == index:
                kinds.setdefault(index, [])
            else:
                kinds[first[name]].append(index)
        return kinds

    def layer(self, index: tuple[int, ...]) -> Structure:
        """
        Return the primitive cell whose first two vectors span a plane.

        Parameters
        ----------
        index
            Miller indices of the plane, in the conventional cell.

        Returns
        -------
        Structure
            The crystal in this cell, which is right-handed.
        """
        normal = np.linalg.inv(self.conventional.matrix) @ np.array(index)
        # Indices of a plane are integers in the primitive cell too, up to the number
        # of lattice points in the conventional one.
        points = round(self.conventional.volume / self.primitive.volume)
        indices = np.rint(self.primitive.lattice.matrix @ normal * points).astype(int)
        basis = surface_basis(indices // np.gcd.reduce(indices))
        cell = basis @ self.primitive.lattice.matrix
        cell[:2] = minkowski_reduce(cell, (True, True, False))[0][:2]
        if np.linalg.det(cell) < 0:
            cell[2] = -cell[2]
        return Structure(
            cell,
            self.primitive.species,
            self.primitive.cart_coords,
            coords_are_cartesian=True,
            to_unit_cell=True,
        )

    def slabs(self, index: tuple[int, ...], size: float) -> list[Slab]:
        """
        Cut slabs, one for each termination that symmetry distinguishes.

        Parameters
        ----------
        index
            Miller indices of the surface, in the conventional cell.
        size
            Least height of the layers that a slab consists of, in A.

        Returns
        -------
        list of Slab
            Slabs with a little vacuum.
        """
        generator = SlabGenerator(
            self.layer(index), (0, 0, 1), size, _GAP, primitive=False
        )
        return list(generator.get_slabs())


def surface_basis(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return a basis of a lattice, of which two vectors span a plane.

    Parameters
    ----------
    index
        Miller indices (h, k, l) of the plane, without common divisor.

    Returns
    -------
    numpy.ndarray
        Unimodular, shape (3, 3): rows v1 and v2 with ``index . v = 0``, and v3 with
        ``index . v3 = 1``, by Bezout's identity.
    """
    h, k, l = (int(i) for i in index)  # noqa: E741
    g, p, q = _bezout(k, l)
    if g == 0:
        return np.array([[0, 1, 0], [0, 0, 1], [h, 0, 0]])
    _, x, y = _bezout(h, g)
    return np.array([[0, l // g, -k // g], [g, -h * p, -h * q], [x, y * p, y * q]])


def _bezout(a: int, b: int) -> tuple[int, int, int]:
    """Return g = gcd(a, b) and x, y with ``a x + b y = g``, by Euclid's algorithm."""
    if b == 0:
        return abs(a), (a > 0) - (a < 0), 0
    g, x, y = _bezout(b, a % b)
    return g, y, x - (a // b) * y
