"""The neighbours of a frame in motion, searched for only now and then."""

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from flowpot.potentials.geometry import Geometry

if TYPE_CHECKING:
    from flowpot.potentials.base import Potential


class VerletList:
    """
    Neighbour graphs of one frame, step after step.

    Pairs are searched for within the cutoff and a skin. As long as no other pair can
    have come within the cutoff, the graph of a later step has those of them that are
    within it: the same pairs as a new search finds.

    Parameters
    ----------
    potential
        Whose graphs.
    skin
        In A. A thick one is renewed seldom, and has more pairs to choose from.

    Notes
    -----
    After Verlet, Phys. Rev. 159, 98 (1967), in a cell that may change. With F the
    deformation of the cell since the search, s the smallest of its singular values
    and 1, and u how far any atom moved beyond what F moves it, a pair that was not
    found is now further apart than s (cutoff + skin) - 2 u.
    """

    def __init__(self, potential: "Potential", skin: float) -> None:
        if not skin > 0:
            raise ValueError(f"skin is {skin} A: use more than 0")
        self.skin = skin
        self._potential = potential
        self._searched: Geometry | None = None
        self._found: Any = None

    def graph(self, geometry: Geometry) -> Any:
        """Give the graph of one frame; of any, but those that follow are faster."""
        if self._searched is None or not self._holds(self._searched, geometry):
            self._searched = Geometry._make(array.copy() for array in geometry)
            self._found = self._potential.build_graph(self._searched, self.skin)
        return self._found.moved(geometry)

    def _holds(self, searched: Geometry, geometry: Geometry) -> bool:
        """Whether every pair within the cutoff is among those that were found."""
        same = np.array_equal(searched.numbers, geometry.numbers)
        if not same or not np.array_equal(searched.pbc, geometry.pbc):
            return False
        deformation, shrinkage = _deformation(searched, geometry)
        beyond = geometry.positions - searched.positions @ deformation
        farthest = np.sqrt(np.einsum("ni,ni->n", beyond, beyond).max())
        cutoff = self._potential.cutoff
        return bool(shrinkage * (cutoff + self.skin) - 2 * farthest >= cutoff)


def _deformation(
    before: Geometry, after: Geometry
) -> tuple[NDArray[np.float64], float]:
    """Give F with cell' = cell F, and the smallest of its singular values and 1."""
    if np.array_equal(before.cell, after.cell):
        return np.eye(3), 1.0
    cells = [geometry.cell[0] for geometry in (before, after)]
    if not after.pbc.all():
        cells = [np.array(Cell(cell).complete()) for cell in cells]
    deformation = np.linalg.solve(*cells)
    smallest = np.linalg.svd(deformation, compute_uv=False)[-1]
    return deformation, min(1.0, float(smallest))
