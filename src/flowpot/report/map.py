"""A map of the frames: those with similar descriptors lie side by side."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.origins import explored_in
from flowpot.report.figures import config_types, plain, row_of_axes


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
        iteration that explored the frame (left) and by ``config_type`` (right).
    """
    figure, axes = row_of_axes(2, height=4.4)
    place, shares = principal_components(descriptors)
    explored = explored_in(dataset)
    names = {0: "start"} | {i: f"explored in {i}" for i in np.unique(explored) if i}
    blend = colormaps["viridis"](np.linspace(0, 0.95, max(names) + 1))
    kinds = config_types(dataset)
    groups = [
        {names[i]: (explored == i, blend[i]) for i in sorted(names)},
        {
            str(kind): (kinds == kind, colormaps["tab20"].colors[i % 20])  # type: ignore[attr-defined]
            for i, kind in enumerate(sorted(set(kinds)))
        },
    ]
    for axis, group in zip(axes, groups, strict=True):
        for chosen, colour in group.values():
            axis.plot(
                *place[chosen].T, ".", ms=7, alpha=0.7, c=colour, mew=0, rasterized=True
            )
        dots = [
            Line2D([], [], marker="o", ls="", c=colour, label=plain(name))
            for name, (chosen, colour) in group.items()
            if chosen.any()
        ]
        axis.legend(handles=dots, frameon=False, fontsize=8)
        axis.set(
            xlabel=f"PC 1 ({shares[0]:.1%} of the variance)",
            ylabel=f"PC 2 ({shares[1]:.1%})" if len(shares) > 1 else "",
        )
    return figure
