"""
Frames that share their positions: other species on them, or some atoms removed.

A potential that has trained on a frame has seen the positions of its relatives, so that
these are no independent test of it: relatives belong to one set. Two frames of the same
periodic lattice are relatives if

* their atoms are at the same positions, whatever their species and their order;
* one was cut from the other: its positions are among the other's, and are half of them
  at least;
* they come from one parent (column ``parent``) and share any position: two defects of
  one perfect crystal. Frames of other origin may share positions by their making, as
  slabs do whose lowest layers are held: that alone makes no relatives.

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
"""Atoms this close below a cell's face count as on it: a last-bit error does not send
them to the other side."""


def relatives(dataset: Arrays, parents: NDArray[np.object_]) -> NDArray[np.int64]:
    """
    Sort frames into families that share positions.

    Parameters
    ----------
    dataset
        n frames.
    parents
        What each was made from, shape (n,), ``""`` where that is not known.

    Returns
    -------
    numpy.ndarray
        Family of each frame, shape (n,).
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
    Return a number for each position of a lattice.

    Returns
    -------
    tuple
        Frame and number of each atom. Left out are isolated atoms, and frames whose
        lattice no other frame has.
    """
    pbc = dataset.pbc
    lattice = np.where(pbc[:, :, None], dataset.cell, 0.0)
    keys = np.concatenate([steps(lattice).reshape(-1, 9), pbc], axis=1)
    _, number, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    use = (count[number] > 1) & ~dataset.is_isolated_atom
    frames = np.repeat(np.arange(len(dataset)), dataset.n_atoms)
    atoms = use[frames]
    frames = frames[atoms]
    places = steps(_wrapped(dataset.positions[atoms], lattice, pbc, frames))
    codes = number.astype(np.uint64)[frames]
    for axis in range(3):
        codes = _mixed(codes + places[:, axis].astype(np.uint64))
    return frames, codes


def _wrapped(
    positions: NDArray[np.float64],
    lattice: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    frames: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Move atoms by lattice vectors into the cell (A)."""
    # The pseudo-inverse has fractions along the lattice's vectors only.
    inverse = np.linalg.pinv(lattice)
    fractions = np.einsum("ax,axk->ak", positions, inverse[frames])
    shifts = np.where(pbc[frames], np.floor(fractions + _EDGE), 0.0)
    return np.asarray(positions - np.einsum("ak,akx->ax", shifts, lattice[frames]))


def _mixed(codes: Codes) -> Codes:
    """Scatter numbers over 64 bits, as SplitMix64 does (Steele et al. 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _same_positions(
    frames: NDArray[np.int64], codes: Codes, n: int
) -> NDArray[np.int64]:
    """Pair each frame with the first that has the same positions, shape (2, P)."""
    named = np.unique(frames)
    _, first, which = np.unique(
        _sums(frames, codes, n)[named], return_index=True, return_inverse=True
    )
    return np.stack([named, named[first[which]]])


def _sums(frames: NDArray[np.int64], codes: Codes, n: int) -> Codes:
    """Name the set of each frame's positions, whatever their order, shape (n,)."""
    sums = np.zeros(n, np.uint64)
    np.add.at(sums, frames, _mixed(codes))
    return sums


def _cut_from(frames: NDArray[np.int64], codes: Codes, n: int) -> NDArray[np.int64]:
    """Pair each frame with those of which its positions are a part, shape (2, P)."""
    sums = _sums(frames, codes, n)
    named = np.unique(frames)
    distinct = named[np.unique(sums[named], return_index=True)[1]]
    kept = np.isin(frames, distinct)
    frames, codes = frames[kept], codes[kept]
    _, code, count = np.unique(codes, return_inverse=True, return_counts=True)
    # A part has no position of its own.
    rarest = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(rarest, frames, count[code])
    holders = _Holders(frames, code)
    found = [
        (part, whole)
        for part in np.flatnonzero((rarest > 1) & np.isin(np.arange(n), distinct))
        for whole in holders.wholes_of(int(part), count)
    ]
    return np.array(found, np.int64).reshape(-1, 2).T


class _Holders:
    """
    Which frames hold which positions.

    Parameters
    ----------
    frames, code
        Frame and position of each atom, frames ascending.
    """

    def __init__(self, frames: NDArray[np.int64], code: NDArray[np.int64]) -> None:
        named, starts = np.unique(frames, return_index=True)
        parts = np.split(code, starts[1:]) if len(named) else []
        self._codes = dict(zip(named.tolist(), map(frozenset, parts), strict=True))
        order = np.argsort(code, kind="stable")
        self._frames = frames[order]
        self._bounds = np.searchsorted(code[order], np.arange(code.max(initial=-1) + 2))

    def wholes_of(self, part: int, count: NDArray[np.int64]) -> list[int]:
        """Find the frames that a frame may have been cut from."""
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
    named = (parents != "")[frames]
    frames, codes = frames[named], codes[named]
    parent = np.unique(parents.astype(str), return_inverse=True)[1].astype(np.uint64)
    shared = _mixed(codes + parent[frames])
    _, first, which = np.unique(shared, return_index=True, return_inverse=True)
    return np.stack([frames, frames[first[which]]])
