"""Neighbour graphs as MACE reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from matscipy.neighbours import neighbour_list
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.cells import periodic_cell, volume_ratio
from flowpot.dataset.geometry.neighbours import pairs_within


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """
    Neighbours of the atoms of n frames, each in a fully periodic cell.

    Parameters
    ----------
    frames
        The frames, with the cells of `periodic_cell`.
    pairs
        Atoms of each pair of neighbours, shape (2, P). A pair is listed once.
    unit_shifts
        Number of cell vectors between the two, shape (P, 3).
    shifts
        The same in A, shape (P, 3).
    frame
        Frame of each atom, shape (A,).
    volume_ratio
        Factor from each cell's stress to the frame's, shape (n,).
    cutoff
        Cutoff of the potential, in A.
    """

    frames: Arrays
    pairs: NDArray[np.int64]
    unit_shifts: NDArray[np.float64]
    shifts: NDArray[np.float64]
    frame: NDArray[np.int64]
    volume_ratio: NDArray[np.float64]
    cutoff: float

    @property
    def edges(self) -> NDArray[np.int64]:
        """Atoms at either end of each edge, (2, 2P): the pairs, then from behind."""
        return np.concatenate([self.pairs, self.pairs[::-1]], axis=1)

    def moved(self, frames: Arrays) -> Self:
        """Return the graph of moved frames: the pairs that are within the cutoff."""
        cells = _periodic_cells(frames, self.cutoff)
        i, j = self.pairs
        if len(cells) == 1:
            shifts = self.unit_shifts @ cells[0]
        else:
            of_pair = cells[self.frame[i]]
            shifts = np.einsum("ek,ekx->ex", self.unit_shifts, of_pair)
        near = pairs_within(self.cutoff, frames.positions, i, j, shifts)
        return replace(
            self,
            frames=_in_cells(frames, cells),
            pairs=self.pairs.take(near, axis=1),
            unit_shifts=self.unit_shifts.take(near, axis=0),
            shifts=shifts.take(near, axis=0),
            volume_ratio=_volume_ratios(frames, cells),
        )

    @classmethod
    def joined(cls, graphs: Sequence[Self]) -> Self:
        """Join graphs of one frame each into one graph of all of these frames."""
        frames = Arrays.joined([graph.frames for graph in graphs])
        first = frames.offsets[:-1]
        pairs = [graph.pairs + n for graph, n in zip(graphs, first, strict=True)]
        return cls(
            frames=frames,
            pairs=np.concatenate(pairs, axis=1),
            unit_shifts=np.concatenate([graph.unit_shifts for graph in graphs]),
            shifts=np.concatenate([graph.shifts for graph in graphs]),
            frame=np.repeat(np.arange(len(graphs)), frames.n_atoms),
            volume_ratio=np.concatenate([graph.volume_ratio for graph in graphs]),
            cutoff=graphs[0].cutoff,
        )


def find_graph(frames: Arrays, cutoff: float, skin: float = 0.0) -> NeighbourGraph:
    """Find the neighbours of every atom within the cutoff and a skin (A)."""
    cells = _periodic_cells(frames, cutoff + skin)
    pairs, unit_shifts, shifts = [], [], []
    for rows, periodic in zip(frames.rows, cells, strict=True):
        i, j, shift = neighbour_list(
            "ijS",
            cutoff=cutoff + skin,
            positions=frames.positions[rows],
            cell=periodic,
            pbc=(True, True, True),
        )
        once = _one_of_two(i, j, shift)
        i, j, shift = i[once], j[once], shift[once]
        if skin:  # one order of the pairs, whenever they were searched for
            order = np.lexsort((*shift.T, j, i))
            i, j, shift = i[order], j[order], shift[order]
        pairs.append(np.stack([i, j]).astype(np.int64) + rows.start)
        unit_shifts.append(shift.astype(float))
        shifts.append(unit_shifts[-1] @ periodic)
    return NeighbourGraph(
        frames=_in_cells(frames, cells),
        pairs=np.concatenate(pairs, axis=1),
        unit_shifts=np.concatenate(unit_shifts),
        shifts=np.concatenate(shifts),
        frame=np.repeat(np.arange(len(frames)), frames.n_atoms),
        volume_ratio=_volume_ratios(frames, cells),
        cutoff=cutoff,
    )


def _in_cells(frames: Arrays, cells: NDArray[np.float64]) -> Arrays:
    """Put frames into other cells, all of which are periodic to MACE."""
    return Arrays(frames.numbers, frames.positions, cells, frames.pbc, frames.offsets)


def _periodic_cells(frames: Arrays, cutoff: float) -> NDArray[np.float64]:
    """Return the `periodic_cell` of each frame, shape (n, 3, 3)."""
    cells = frames.cell.copy()
    for n in np.flatnonzero(~frames.pbc.all(axis=1)):
        rows = slice(*frames.offsets[n : n + 2])
        cells[n] = periodic_cell(
            frames.positions[rows], frames.cell[n], frames.pbc[n], cutoff
        )
    return cells


def _volume_ratios(frames: Arrays, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the `volume_ratio` of each frame in its `periodic_cell`, shape (n,)."""
    ratios = np.ones(len(frames))
    for n in np.flatnonzero(~frames.pbc.all(axis=1)):
        ratios[n] = volume_ratio(cells[n], frames.cell[n], frames.pbc[n])
    return ratios


def _one_of_two(
    i: NDArray[np.integer], j: NDArray[np.integer], shift: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Choose one of (i, j, shift) and (j, i, -shift), which are the same pair."""
    x, y, z = shift.T
    forward = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    return (i < j) | ((i == j) & forward)
