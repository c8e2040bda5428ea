"""What all figures share: their axes, the groups of frames, and how they are saved."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.sets import TEST, TRAIN, VAL
from flowpot.dataset.storage import replacing

SET_COLOURS = {TRAIN: "tab:blue", VAL: "tab:orange", TEST: "tab:green"}
"""Colour of each set of frames in every figure."""

_UNNAMED = "-"
_LARGEST_SVG = 400_000  # bytes; beyond, a figure of many points is smaller as PNG
_DPI = 150


def grid_of_axes(
    rows: int, columns: int, height: float
) -> tuple[Figure, NDArray[np.object_]]:
    """
    Return a figure, `height` inches high, and its axes, shape (rows, columns).

    It is a Figure of its own and none of pyplot's, which have a window and a global
    state: workers and threads may draw side by side.
    """
    figure = Figure(figsize=(11, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def row_of_axes(columns: int, height: float = 3.6) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure, `height` inches high, with axes side by side."""
    figure, axes = grid_of_axes(1, columns, height)
    return figure, axes[0]


def logarithmic(axis: Axes, which: str = "xy") -> None:
    """Make axes logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    for letter in which:
        axis.set(**{f"{letter}scale": "log"})
        ticks = getattr(axis, f"{letter}axis")
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ticks.set_minor_formatter(NullFormatter())


def config_types(dataset: Dataset) -> NDArray[np.object_]:
    """Return each frame's ``config_type``, shape (n,); a dash where it has none."""
    column = dataset.column("config_type")
    return np.array([kind or _UNNAMED for kind in column], dtype=object)


def plain(text: str) -> str:
    """
    Keep matplotlib from reading a text as a formula.

    Names are the user's: ``a$b$`` is no mathematics.
    """
    return text.replace("$", r"\$")


def save_figures(figures: Mapping[str, Figure], folder: Path) -> Sequence[Path]:
    """
    Save each figure as ``<name>.png``.

    Parameters
    ----------
    figures
        Figures by their names.
    folder
        Folder of the files; made if need be.

    Returns
    -------
    sequence of pathlib.Path
        The files, in the figures' order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=_DPI, format="png")
        paths.append(path)
    return paths


def encode(figure: Figure) -> tuple[str, bytes]:
    """Return a figure's media type and its bytes: SVG, or PNG if that is smaller."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    if len(buffer.getvalue()) <= _LARGEST_SVG:
        return "image/svg+xml", buffer.getvalue()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return "image/png", buffer.getvalue()
