"""Choose frames that differ from each other and from the labelled ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials import Potential

_CHUNK = 64  # known points whose distances to all others are in memory at once
_ROUNDING = 1e-12  # squared distance of copies, in squared extents of the set


class Descriptors(NamedTuple):
    """
    Positions of frames in the space of a potential's descriptors.

    Attributes
    ----------
    frames
        (n, D) positions of the frames to choose from.
    labelled
        (m, D) positions of the labelled frames.
    """

    frames: NDArray[np.float64]
    labelled: NDArray[np.float64]


def describe(
    members: Sequence[Potential], frames: Dataset, labelled: Dataset
) -> Descriptors:
    """
    Describe frames by the first member that can.

    Raises
    ------
    ValueError
        Where no member gives its features.
    """
    reasons = []
    for member in members:
        try:
            return Descriptors(member.descriptors(frames), member.descriptors(labelled))
        except NotImplementedError as error:
            reasons.append(str(error))
    raise ValueError(
        "method is 'diverse', but no member of the committee describes frames "
        f"({reasons[0]}): use the method 'random'"
    )


def farthest_points(
    points: NDArray[np.float64],
    k: int,
    known: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """
    Choose points that cover a set, each the farthest from all before it.

    Greedy k-centre clustering (Gonzalez, Theor. Comput. Sci. 38, 293, 1985): no choice
    of k points leaves the others closer than half of what this one does. Time is
    O((k + m) n D), extra memory O(n).

    Parameters
    ----------
    points
        Shape (n, D), finite; frames as :meth:`flowpot.potentials.Potential.descriptors`
        describes them.
    k
        Largest number of points to choose.
    known
        Shape (m, D): points that are covered already, the labelled frames. Without
        any, the first point is the one farthest from the mean.

    Returns
    -------
    numpy.ndarray
        Indices in the order of choice; fewer than k where the other points are copies
        of chosen or known ones.

    Examples
    --------
    >>> farthest_points(np.array([[0.0], [1.0], [5.0], [9.0]]), 3).tolist()
    [3, 0, 2]
    """
    if min(k, len(points)) < 1:
        return np.empty(0, dtype=np.int64)
    origin = points.mean(axis=0)
    centred = points - origin
    squares = np.einsum("ij,ij->i", centred, centred)
    if known is None or len(known) == 0:
        chosen = [int(squares.argmax())]
        nearest = _squared_distances(centred, squares, chosen[0])
    else:
        chosen = []
        nearest = np.full(len(centred), np.inf)
        for start in range(0, len(known), _CHUNK):
            chunk = known[start : start + _CHUNK] - origin
            products = (chunk**2).sum(axis=1) - 2 * centred @ chunk.T
            np.minimum(nearest, products.min(axis=1), out=nearest)
        nearest += squares
    copies = _ROUNDING * squares.max()
    while len(chosen) < k and nearest[new := int(nearest.argmax())] > copies:
        chosen.append(new)
        distances = _squared_distances(centred, squares, new)
        np.minimum(nearest, distances, out=nearest)
    return np.array(chosen, dtype=np.int64)


def _squared_distances(
    centred: NDArray[np.float64], squares: NDArray[np.float64], index: int
) -> NDArray[np.float64]:
    """Return the squared distance (n,) of each point to one of them."""
    distances = squares - 2 * (centred @ centred[index]) + squares[index]
    distances[index] = 0.0
    return distances
