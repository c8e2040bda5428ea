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
        self._found: Any = None

    def graph(self, geometry: Geometry) -> Any:
        """Return the graph of one frame; of any, but those that follow are faster."""
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
    """Return F with cell' = cell F, and the smallest of its singular values and 1."""
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
        self._searched: list[Geometry] = []
        self._found: list[Any] = []
        self._before: tuple[Geometry, NDArray[np.int64]] | None = None
        self._joined: dict[tuple[int, int], Any] = {}

    def keep(self, frames: Sequence[int]) -> None:
        """Forget all frames but these, which are the frames to come."""
        kept = list(frames) if self._searched else []
        self._searched = [self._searched[i] for i in kept]
        self._found = [self._found[i] for i in kept]
        self._joined.clear()
        self._before = None

    def graphs(self, geometry: Geometry, cuts: Sequence[slice]) -> list[Any]:
        """
        Return the graphs of some frames.

        Parameters
        ----------
        geometry
            The frames: the same ones in the same order each time.
        cuts
            The frames of each graph.
        """
        for i in self._stale(geometry):
            self._search(geometry.frame(i), i)
        found = []
        for cut in cuts:
            key = (cut.start, cut.stop)
            if key not in self._joined:
                graphs = self._found[cut]
                self._joined[key] = type(graphs[0]).joined(graphs)
            frames = [geometry.frame(i) for i in range(cut.start, cut.stop)]
            found.append(self._joined[key].moved(Geometry.joined(frames)))
        return found

    def _search(self, frame: Geometry, index: int) -> None:
        """Search for the pairs of a frame, which may be a new one at the end."""
        frame = Geometry._make(array.copy() for array in frame)
        graph = self._potential.build_graph(frame, self._skin)
        self._searched[index : index + 1] = [frame]
        self._found[index : index + 1] = [graph]
        self._joined.clear()
        self._before = None

    def _stale(self, geometry: Geometry) -> list[int]:
        """List the frames of which a pair within the cutoff may not be known."""
        n = len(self._searched)
        new = list(range(n, len(geometry.cell)))
        if n == 0:
            return new
        if self._before is None:
            joined = Geometry.joined(self._searched)
            cells = np.array([Cell(cell).complete() for cell in joined.cell])
            sizes = np.diff(joined.offsets)
            frame = np.repeat(np.arange(n), sizes)
            self._before = joined._replace(cell=cells), frame
        before, frame = self._before
        cells = geometry.cell[:n]
        if not before.pbc.all():
            cells = np.array([Cell(cell).complete() for cell in cells])
        deformation = np.linalg.solve(before.cell, cells)
        squares = deformation.transpose(0, 2, 1) @ deformation
        shrinkage = np.sqrt(np.clip(np.linalg.eigvalsh(squares)[:, 0], 0.0, 1.0))
        positions = geometry.positions[: len(frame)]
        beyond = positions - np.einsum(
            "ax,axy->ay", before.positions, deformation[frame]
        )
        moved = np.einsum("ax,ax->a", beyond, beyond)
        farthest = np.sqrt(np.maximum.reduceat(moved, before.offsets[:-1]))
        cutoff = self._potential.cutoff
        holds = shrinkage * (cutoff + self._skin) - 2 * farthest >= cutoff
        return [*np.flatnonzero(~holds).tolist(), *new]
