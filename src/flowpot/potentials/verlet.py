"""The neighbours of a frame in motion, searched for only now and then."""

from collections.abc import Sequence
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
        self.found: Any = None

    def graph(self, geometry: Geometry) -> Any:
        """Give the graph of one frame; of any, but those that follow are faster."""
        self.search(geometry)
        return self.found.moved(geometry)

    def search(self, geometry: Geometry) -> bool:
        """Search for the pairs of a frame if it needs it; say whether it did."""
        if self._searched is not None and self._holds(self._searched, geometry):
            return False
        self._searched = Geometry._make(array.copy() for array in geometry)
        self.found = self._potential.build_graph(self._searched, self.skin)
        return True

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


class BatchedVerletList:
    """
    Neighbour graphs of several frames in motion, joined in batches.

    Each frame has pairs of its own, which are searched for when it needs it: what a
    frame is given does not depend on the others.

    Parameters
    ----------
    potential
        Whose graphs.
    skin
        See `VerletList`.
    """

    def __init__(self, potential: "Potential", skin: float) -> None:
        self._potential, self._skin = potential, skin
        self._lists: list[VerletList] = []
        self._joined: dict[tuple[int, int], Any] = {}

    def keep(self, frames: Sequence[int]) -> None:
        """Forget all frames but these, which are the frames to come."""
        self._lists = [self._lists[i] for i in frames] if self._lists else []
        self._joined.clear()

    def graphs(self, geometry: Geometry, cuts: Sequence[slice]) -> list[Any]:
        """
        Give the graphs of some frames.

        Parameters
        ----------
        geometry
            The frames: the same ones in the same order each time.
        cuts
            The frames of each graph.
        """
        missing = len(geometry.cell) - len(self._lists)
        self._lists += [VerletList(self._potential, self._skin) for _ in range(missing)]
        found = []
        for cut in cuts:
            key, lists = (cut.start, cut.stop), self._lists[cut]
            frames = [geometry.frame(i) for i in range(cut.start, cut.stop)]
            searched = [v.search(f) for v, f in zip(lists, frames, strict=True)]
            if any(searched) or key not in self._joined:
                kind = type(lists[0].found)
                self._joined[key] = kind.joined([verlet.found for verlet in lists])
            found.append(self._joined[key].moved(Geometry.joined(frames)))
        return found
