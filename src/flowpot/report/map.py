"""A map of the frames: those with similar descriptors lie side by side."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.sets import TEST, explored_in
from flowpot.report.figures import (
    MARKERS,
    as_pixels,
    colour_of,
    config_types,
    marker_of,
    plain,
    row_of_axes,
)

Groups = dict[str, tuple[NDArray[np.bool_], Any, str]]
"""Mask of the frames, colour and marker of each group, by its name."""

_MOST_NAMES = 12  # in a legend


def principal_components(
    descriptors: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Project descriptors on the two directions in which they vary most.

    Parameters
    ----------
    descriptors
        Descriptors of n frames, shape (n, D).

    Returns
    -------
    ndarray, ndarray
        Projections, shape (n, 2), and the shares of the variance along both
        directions, shape (2,).

    Notes
    -----
    Singular value decomposition of the centred descriptors; signs are such that the
    largest weight of either direction is positive.
    """
    centred = descriptors - descriptors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    variance = values**2
    shares = variance[:2] / (variance.sum() or 1.0)
    return centred @ directions.T, shares


def plot_map(dataset: Dataset, descriptors: NDArray[np.float64]) -> Figure:
    """
    Plot frames by their descriptors (paper, Fig. 5a).

    Parameters
    ----------
    dataset
        n frames.
    descriptors
        Descriptors of the frames by one potential, shape (n, D).

    Returns
    -------
    Figure
        First and second principal component of the descriptors, coloured by the
        iteration that explored the frame (left) and by ``config_type`` (right). Frames
        of the test set have a ring.
    """
    figure, axes = row_of_axes(2, height=4.8)
    place, shares = principal_components(descriptors)
    tested = np.asarray(dataset.column("split") == TEST, dtype=bool)
    kinds = config_types(dataset)
    by_kind = {
        str(kind): (kinds == kind, colour_of(i), marker_of(i))
        for i, kind in enumerate(sorted(set(kinds)))
    }
    for axis, groups in zip(axes, (_iterations(dataset), by_kind), strict=True):
        dots = []
        for name, (chosen, colour, marker) in groups.items():
            axis.plot(
                *place[chosen].T,
                marker,
                ms=6,
                alpha=0.7,
                c=colour,
                mew=0,
                rasterized=as_pixels(len(dataset)),
            )
            label = f"{plain(name)} (n = {chosen.sum()})"
            dot = Line2D([], [], marker=marker, ls="", c=colour, label=label)
            dots += [dot] if chosen.any() else []
        label = f"test set (n = {tested.sum()})"
        [ring] = axis.plot(*place[tested].T, "ko", ms=9, mfc="none", label=label)
        dots.append(ring)
        axis.legend(handles=dots[-_MOST_NAMES:], frameon=False, fontsize=8)
        axis.set(
            xlabel=f"PC 1 ({shares[0]:.1%} of the variance)",
            ylabel=f"PC 2 ({shares[1]:.1%})" if len(shares) > 1 else "",
        )
    return figure


def rings_in_words(dataset: Dataset) -> str:
    """
    Say where the test set's frames come from.

    Examples
    --------
    >>> from ase.build import bulk
    >>> frames = Dataset.from_atoms([bulk("Si")]).with_info(split="test")
    >>> rings_in_words(frames)
    'Rings: the 1 frame of the test set (1 augmented).'
    """
    tested = dataset[np.asarray(dataset.column("split") == TEST, dtype=bool)]
    if not len(tested):
        return "The test set has no frame."
    numbers = zip(*np.unique(explored_in(tested), return_counts=True), strict=True)
    parts = [f"{n} explored in {i}" if i else f"{n} augmented" for i, n in numbers]
    frames = "frame" if len(tested) == 1 else "frames"
    return f"Rings: the {len(tested)} {frames} of the test set ({', '.join(parts)})."


def _iterations(dataset: Dataset) -> Groups:
    explored = explored_in(dataset)
    names = {0: "augmented or given"}
    names |= {i: f"explored in {i}" for i in np.unique(explored) if i}
    blend = colormaps["viridis"](np.linspace(0, 0.95, max(names) + 1))
    return {
        names[i]: (explored == i, blend[i], MARKERS[i % len(MARKERS)])
        for i in sorted(names)
    }
