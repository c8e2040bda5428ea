"""What all figures share: their axes, the groups of frames, and how they are saved."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.sets import AUDIT, TEST, TRAIN, VAL
from flowpot.dataset.storage import replacing

COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"),
    *("#F0E442", "#555555"),
)
"""
Colours that people with any colour vision can tell apart: Okabe and Ito, Color
Universal Design (2008). Where there are more groups, markers or hatches differ, too.
"""
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, *_ = COLOURS
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx")

SET_COLOURS = {TRAIN: BLUE, VAL: ORANGE, TEST: GREEN, AUDIT: PURPLE}
"""Colour of each set of frames in every figure."""
SET_MARKERS = dict(zip(SET_COLOURS, MARKERS, strict=False))

_UNNAMED = "-"
_LARGEST_SVG = 400_000  # bytes; beyond, a figure of many points is smaller as PNG
_DPI = 150
_PRINTED_DPI = 300  # of point clouds that are too large for vectors
_MOST_VECTORS = 3000  # points
_FAR = 30.0
"""How many times outside of what is drawn a limit is not drawn, but stated."""


def colour_of(place: int) -> str:
    """Return the colour of a group, by its place among the others."""
    return COLOURS[place % len(COLOURS)]


def marker_of(place: int) -> str:
    """Return the marker of a group: another one where colours repeat."""
    return MARKERS[place // len(COLOURS) % len(MARKERS)]


def hatch_of(place: int) -> str:
    """Return the hatch of a group's bars: another one where colours repeat."""
    return HATCHES[place // len(COLOURS) % len(HATCHES)]


def as_pixels(n_points: int) -> bool:
    """Return whether a cloud of points is drawn as pixels: there are too many."""
    return n_points > _MOST_VECTORS


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


class _Ticks(LogLocator):
    """Ticks at 1, 2 and 5 of each decade, or at its beginning where there are many."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the places of the ticks."""
        few = vmin > 0 and vmax < vmin * 10**2.3
        self.set_params(subs=(1, 2, 5) if few else (1,), numticks=8)
        return super().tick_values(vmin, vmax)


def logarithmic(axis: Axes, which: str = "xy") -> None:
    """Make axes logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    for letter in which:
        axis.set(**{f"{letter}scale": "log"})
        ticks = getattr(axis, f"{letter}axis")
        ticks.set_major_locator(_Ticks())
        ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ticks.set_minor_formatter(NullFormatter())


def draw_limit(
    axis: Axes,
    letter: Literal["x", "y"],
    limit: float,
    values: NDArray[np.float64],
    name: str,
    style: str = "-",
) -> None:
    """
    Draw a limit across a logarithmic axis.

    Where it is far from all values it is stated instead: an axis that reached it would
    show nothing of them. A fit that tells no frames apart has such a threshold.

    Parameters
    ----------
    axis
        The axes.
    letter
        Along which of them the limit is.
    limit
        The limit.
    values
        What is drawn along it, shape (n,).
    name
        What the limit is called.
    style
        Style of the line.
    """
    nearby = not len(values) or (values.min() / _FAR <= limit <= _FAR * values.max())
    if nearby:
        line = axis.axvline if letter == "x" else axis.axhline
        line(limit, c="0.3", lw=0.8, ls=style)
        return
    side = "over" if limit > values.max() else "under"
    axis.annotate(
        f"{name} {limit:.2g}: far {side} all",
        (0.98, 0.02 if letter == "x" else 0.94),
        xycoords="axes fraction",
        ha="right",
        fontsize=8,
    )


def say_no_frames(axis: Axes) -> None:
    """Say on an axis that there is nothing to draw: no frame has all that it needs."""
    axis.text(0.5, 0.5, "no frames", ha="center", transform=axis.transAxes)


def config_types(dataset: Dataset) -> NDArray[np.object_]:
    """Return each frame's ``config_type``, shape (n,); a dash where it has none."""
    column = dataset.column("config_type")
    return np.array([kind or _UNNAMED for kind in column], dtype=object)


def plain(text: str) -> str:
    """
    Keep matplotlib from reading a text as a formula, or as one to be hidden.

    Names are the user's: ``a$b$`` is no mathematics, and a legend leaves out those that
    begin with an underscore.
    """
    shown = text.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


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


def write_pdf(figures: Mapping[str, Figure], path: Path) -> Path:
    """
    Write figures into one PDF, a page each, as vectors.

    Parameters
    ----------
    figures
        Figures by their names, in the order of the pages.
    path
        The file; its folder is made if need be.

    Raises
    ------
    ValueError
        If there is no figure: a PDF has at least one page.
    """
    if not figures:
        raise ValueError(
            f"no figure to write to {str(path)!r}: nothing is labelled yet; come back "
            "when the first stage has finished"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as temporary,
        rc_context({"pdf.fonttype": 42}),  # text stays text, as journals ask
        PdfPages(temporary) as pages,
    ):
        for figure in figures.values():
            pages.savefig(figure, dpi=_PRINTED_DPI)
    return path


def encode(figure: Figure) -> tuple[str, bytes]:
    """Return a figure's media type and its bytes: SVG, or PNG if that is smaller."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    if len(buffer.getvalue()) <= _LARGEST_SVG:
        return "image/svg+xml", buffer.getvalue()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return "image/png", buffer.getvalue()


def stand_on_zero(axis: Axes, room: float = 0.05) -> None:
    """Leave room above stacked bars, where an empty one on top would allow none."""
    axis.use_sticky_edges = False
    axis.margins(y=room)
    axis.set_ylim(bottom=0)
