"""
Relatives: frames with the same positions, but other species or fewer atoms.

A potential that has trained on a frame has seen the positions of its relatives, which
are no independent test: relatives belong to one set. Two frames of the same periodic
lattice are relatives if

* their atoms are at the same positions, whatever their species and their order;
* one was cut from the other: its positions are among those of the other, and at least
  half as many;
* they come from one parent (column ``parent``) and share any position, as two defects
  of one perfect crystal do. Frames of different origin may share positions without
  being relatives: slabs whose lowest layers are fixed do.

Relatives of relatives are relatives. Isolated atoms have none.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.fingerprint import steps

Codes = NDArray[np.uint64]

_EDGE = 1e-6
"""Atoms this close below a cell's face (in fractions) count as on it, so that a
last-bit error does not wrap them to the other side."""


def relatives(dataset: Arrays, parents: NDArray[np.object_]) -> NDArray[np.int64]:
    """
    Sort frames into families of relatives.

    Parameters
    ----------
    dataset
        n frames.
    parents
        Name of the frame that each was made from, shape (n,), ``""`` where unknown.

    Returns
    -------
    numpy.ndarray
        Number of the family of each frame, shape (n,).
    """
    n = len(dataset)
    if n == 0:
        return np.empty(0, np.int64)
    frames, codes = _codes(dataset)
    pairs = [
        _same_positions(frames, codes, n),
        _cut_from(frames, codes, n),
        _siblings(frames, codes, parents),
    ]
    first, second = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(first), bool), (first, second)), (n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _codes(dataset: Arrays) -> tuple[NDArray[np.int64], Codes]:
    """
    Return a code for the position of each atom in its lattice.

    Returns
    -------
    tuple
        Frame and code of each atom. Isolated atoms, and frames whose lattice no other
        frame has, are left out.
    """
    pbc = dataset.pbc
    lattice = np.where(pbc[:, :, None], dataset.cell, 0.0)
    keys = np.concatenate([steps(lattice).reshape(-1, 9), pbc], axis=1)
    _, number, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    use = (count[number] > 1) & ~dataset.is_isolated_atom
    frames = np.repeat(np.arange(len(dataset)), dataset.n_atoms)
    atoms = use[frames]
    frames = frames[atoms]
    # Positions are moved into the cell by lattice vectors. The pseudo-inverse gives
    # fractions along the periodic vectors only.
    positions = dataset.positions[atoms]
    fractions = np.einsum("ax,axk->ak", positions, np.linalg.pinv(lattice)[frames])
    shifts = np.where(pbc[frames], np.floor(fractions + _EDGE), 0.0)
    places = steps(positions - np.einsum("ak,akx->ax", shifts, lattice[frames]))
    codes = number.astype(np.uint64)[frames]
    for axis in range(3):
        codes = _mixed(codes + places[:, axis].astype(np.uint64))
    return frames, codes


def _mixed(codes: Codes) -> Codes:
    """Scatter numbers over 64 bits, as SplitMix64 does (Steele et al. 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _same_positions(
    frames: NDArray[np.int64], codes: Codes, n: int
) -> NDArray[np.int64]:
    """Pair each frame with the first that has the same positions, shape (2, P)."""
    present = np.unique(frames)
    _, first, which = np.unique(
        _sums(frames, codes, n)[present], return_index=True, return_inverse=True
    )
    return np.stack([present, present[first[which]]])


def _sums(frames: NDArray[np.int64], codes: Codes, n: int) -> Codes:
    """Return a code for the set of each frame's positions, shape (n,)."""
    sums = np.zeros(n, np.uint64)
    np.add.at(sums, frames, _mixed(codes))
    return sums


def _cut_from(frames: NDArray[np.int64], codes: Codes, n: int) -> NDArray[np.int64]:
    """Pair each frame with those that it may have been cut from, shape (2, P)."""
    sums = _sums(frames, codes, n)
    present = np.unique(frames)
    distinct = present[np.unique(sums[present], return_index=True)[1]]
    kept = np.isin(frames, distinct)
    frames, codes = frames[kept], codes[kept]
    _, code, count = np.unique(codes, return_inverse=True, return_counts=True)
    # Each position of a part is in another frame, too.
    rarest = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(rarest, frames, count[code])
    holders = _Holders(frames, code)
    pairs = [
        (part, whole)
        for part in np.flatnonzero((rarest > 1) & np.isin(np.arange(n), distinct))
        for whole in holders.wholes_of(int(part), count)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2).T


class _Holders:
    """
    Index of the frames that have each position.

    Parameters
    ----------
    frames, code
        Frame and number of the position of each atom, shape (A,), frames ascending.
    """

    def __init__(self, frames: NDArray[np.int64], code: NDArray[np.int64]) -> None:
        present, starts = np.unique(frames, return_index=True)
        parts = np.split(code, starts[1:]) if len(present) else []
        self._codes = dict(zip(present.tolist(), map(frozenset, parts), strict=True))
        order = np.argsort(code, kind="stable")
        self._frames = frames[order]
        self._bounds = np.searchsorted(code[order], np.arange(code.max(initial=-1) + 2))

    def wholes_of(self, part: int, count: NDArray[np.int64]) -> list[int]:
        """
        Return the frames that a frame may have been cut from.

        Parameters
        ----------
        part
            Number of the frame.
        count
            Number of atoms, in all frames, at each position.
        """
        codes = self._codes[part]
        rarest = min(codes, key=count.__getitem__)
        holders = self._frames[self._bounds[rarest] : self._bounds[rarest + 1]]
        return [
            int(whole)
            for whole in holders
            if len(codes) < len(self._codes[whole]) <= 2 * len(codes)
            and codes <= self._codes[whole]
        ]


def _siblings(
    frames: NDArray[np.int64], codes: Codes, parents: NDArray[np.object_]
) -> NDArray[np.int64]:
    """Pair frames of one parent with the first that has the same position."""
    has_parent = (parents != "")[frames]
    frames, codes = frames[has_parent], codes[has_parent]
    parent = np.unique(parents.astype(str), return_inverse=True)[1].astype(np.uint64)
    shared = _mixed(codes + parent[frames])
    _, first, which = np.unique(shared, return_index=True, return_inverse=True)
    return np.stack([frames, frames[first[which]]])
