"""Neighbours of moving frames, which are not searched for at every step."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.validation import number

Array = NDArray[np.float64]


class Graph(Protocol):
    """A neighbour graph of frames that may move."""

    def moved(self, frames: Arrays) -> Self:
        """Return the graph of moved frames: the pairs that are within the cutoff."""

    @classmethod
    def joined(cls, graphs: Sequence[Self]) -> Self:
        """Join graphs of one frame each into one graph of all of these frames."""


Search = Callable[[Arrays, float], Graph]
"""Finds the pairs of a frame within the cutoff and a skin: `Potential.build_graph`."""


class VerletList:
    """
    Neighbour graphs of one frame, step after step.

    Pairs are searched for within the cutoff and a skin. As long as no other pair can
    have come within the cutoff, the graph of a later step has those of them that are
    within it: the same pairs as a new search finds.

    Parameters
    ----------
    search
        Finds the pairs of a frame.
    cutoff
        Cutoff of the potential, in A.
    skin
        Distance beyond the cutoff, in A. A thick skin needs few searches, but has more
        pairs to choose from.

    Notes
    -----
    After Verlet, Phys. Rev. 159, 98 (1967), in a cell that may change. With F the
    deformation of the cell since the search, s the smallest of its singular values
    and 1, and u how far any atom moved beyond what F moves it, a pair that was not
    found is now further apart than s (cutoff + skin) - 2 u.
    """

    def __init__(self, search: Search, cutoff: float, skin: float) -> None:
        number(skin=skin)
        if not skin > 0:
            raise ValueError(f"skin is {skin} A: use more than 0")
        self.cutoff, self.skin = cutoff, skin
        self._search = search
        self._searched: Arrays | None = None
        self._graph: Graph

    def graph(self, frame: Arrays) -> Any:
        """Return the graph of any frame; one that follows the last is faster."""
        if self._searched is None or not self._holds(self._searched, frame):
            self._searched = frame.copied()
            self._graph = self._search(self._searched, self.skin)
        return self._graph.moved(frame)

    def _holds(self, searched: Arrays, frame: Arrays) -> bool:
        """Say whether the search has found every pair within the cutoff."""
        same = np.array_equal(searched.numbers, frame.numbers)
        if not same or not np.array_equal(searched.pbc, frame.pbc):
            return False
        deformation, shrinkage = np.eye(3), 1.0
        if not np.array_equal(searched.cell, frame.cell):
            # The new cell is the old one times F; distances shrink by no more than its
            # smallest singular value.
            cells = [searched.cell[0], frame.cell[0]]
            if not frame.pbc.all():
                cells = [np.array(Cell(cell).complete()) for cell in cells]
            deformation = np.linalg.solve(*cells)
            singular = np.linalg.svd(deformation, compute_uv=False)
            shrinkage = min(1.0, float(singular[-1]))
        beyond = frame.positions - searched.positions @ deformation
        farthest = np.sqrt(np.einsum("ni,ni->n", beyond, beyond).max())
        reach = shrinkage * (self.cutoff + self.skin) - 2 * farthest
        return bool(reach >= self.cutoff)


class BatchedVerletList:
    """
    Neighbour graphs of several moving frames, joined in batches.

    Each frame has a search of its own, repeated when this frame needs it: its graph
    does not depend on the other frames.

    Parameters
    ----------
    search, cutoff, skin
        See `VerletList`. Instead of the smallest singular value of F, 1 less the
        Frobenius norm of F - 1 is used, which is never larger.
    """

    def __init__(self, search: Search, cutoff: float, skin: float) -> None:
        self._search, self._cutoff, self._skin = search, cutoff, skin
        self._searched: list[Arrays] = []
        self._graphs: list[Graph] = []
        self._before: tuple[Arrays, Array, NDArray[np.int64]] | None = None
        self._joined: dict[tuple[int, int], Graph] = {}

    def keep(self, frames: Sequence[int]) -> None:
        """Forget all frames except these, which the next calls are given."""
        kept = list(frames) if self._searched else []
        self._searched = [self._searched[i] for i in kept]
        self._graphs = [self._graphs[i] for i in kept]
        self._joined.clear()
        self._before = None

    def graphs(self, frames: Arrays, cuts: Sequence[slice]) -> list[Any]:
        """
        Return the graphs of some frames.

        Parameters
        ----------
        frames
            The same frames in the same order each time; new ones at the end.
        cuts
            Frames of each graph.
        """
        for index in self._stale(frames):
            # A frame that is new is one after the last.
            frame = frames.frame(index).copied()
            self._searched[index : index + 1] = [frame]
            self._graphs[index : index + 1] = [self._search(frame, self._skin)]
            self._joined.clear()
            self._before = None
        graphs = []
        for cut in cuts:
            key = (cut.start, cut.stop)
            if key not in self._joined:
                parts = self._graphs[cut]
                self._joined[key] = type(parts[0]).joined(parts)
            graphs.append(self._joined[key].moved(frames.between(*key)))
        return graphs

    def _stale(self, frames: Arrays) -> list[int]:
        """List the frames whose searches may have missed a pair within the cutoff."""
        n = len(self._searched)
        new = list(range(n, len(frames)))
        if n == 0:
            return new
        if self._before is None:
            joined = Arrays.joined(self._searched)
            cells = np.array([Cell(cell).complete() for cell in joined.cell])
            frame = np.repeat(np.arange(n), joined.n_atoms)
            self._before = joined, np.linalg.inv(cells), frame
        before, inverse, frame = self._before
        cells = frames.cell[:n]
        if not before.pbc.all():
            cells = np.array([Cell(cell).complete() for cell in cells])
        deformation = inverse @ cells
        # No singular value is further from 1 than this.
        changes = np.linalg.norm(deformation - np.eye(3), axis=(1, 2))
        shrinkage = np.maximum(1 - changes, 0.0)
        positions = frames.positions[: len(frame)]
        beyond = positions - np.einsum(
            "ax,axy->ay", before.positions, deformation[frame]
        )
        moved = np.einsum("ax,ax->a", beyond, beyond)
        farthest = np.sqrt(np.maximum.reduceat(moved, before.offsets[:-1]))
        reach = shrinkage * (self._cutoff + self._skin) - 2 * farthest
        return [*np.flatnonzero(~(reach >= self._cutoff)).tolist(), *new]
