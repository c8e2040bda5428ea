"""Figure of the committee's disagreement, by origin and size of the frames."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, Calibration
from flowpot.report.calibration import leading_uncertainty
from flowpot.report.figures import (
    colour_of,
    config_types,
    draw_limit,
    grid_of_axes,
    logarithmic,
    marker_of,
    plain,
    say_no_frames,
)
from flowpot.report.wording import UNITS


def plot_disagreement(
    frames: Dataset, calibration: Mapping[str, Calibration] | None = None
) -> Figure:
    """
    Plot disagreement by the origin of the frames, and by their size.

    Parameters
    ----------
    frames
        n frames with columns ``disagreement_energy``, ``disagreement_forces`` and
        ``disagreement_stress``, as in the ``predictions`` of an EvaluationDoc; the
        column ``config_type`` is their origin.
    calibration
        Fits by property, whose thresholds are drawn; None: no threshold is drawn.

    Returns
    -------
    Figure
        Upper row: each frame by origin, with the medians; lower row: by number of
        atoms. A committee whose disagreement grows with size measures size, not error.
        Frames whose disagreement is not finite, or 0, are not drawn.
    """
    figure, axes = grid_of_axes(2, len(PROPERTIES), 7.2)
    kinds = config_types(frames)
    groups = {kind: kinds == kind for kind in sorted(set(kinds))}
    for (above, below), name in zip(axes.T, PROPERTIES, strict=True):
        unit, factor = UNITS[name]
        fit = (calibration or {}).get(name)
        spread = factor * leading_uncertainty(frames.info, fit, name)
        drawn = np.isfinite(spread) & (spread > 0)
        for place, of_origin in enumerate(groups.values()):
            shown = of_origin & drawn
            style: dict[str, Any] = {"ms": 4, "mew": 0, "ls": "", "alpha": 0.6}
            style |= {"c": colour_of(place), "marker": marker_of(place)}
            across = place + np.linspace(-0.3, 0.3, int(shown.sum()))
            above.plot(across, spread[shown], **style)
            if shown.any():
                median = np.median(spread[shown])
                above.hlines(median, place - 0.4, place + 0.4, color="k")
            below.plot(frames.n_atoms[shown], spread[shown], **style)
        names = [f"{plain(kind)} (n = {rows.sum()})" for kind, rows in groups.items()]
        above.set_xticks(range(len(groups)), names, rotation=30, ha="right")
        below.set(xlabel="atoms")
        for axis in (above, below):
            axis.set(ylabel=f"disagreement {name} ({unit})")
            if not drawn.any():  # an axis without any number has no logarithms
                say_no_frames(axis)
                continue
            logarithmic(axis, "y")
            if fit:
                limit = factor * fit.threshold
                draw_limit(axis, "y", limit, spread[drawn], "threshold", "--")
        if drawn.any():
            logarithmic(below, "x")
    return figure
