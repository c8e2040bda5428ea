"""What all figures share: their axes, and how they are kept."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowpot.dataset.sets import TEST, TRAIN, VAL
from flowpot.dataset.storage import replacing

COLOURS = {TRAIN: "tab:blue", VAL: "tab:orange", TEST: "tab:green"}
"""Colours of the sets."""

_LARGEST_SVG = 400_000  # bytes; beyond, a figure of many points is smaller as PNG
_DPI = 150


def row_of_axes(columns: int, height: float = 3.6) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with axes side by side."""
    # Figure rather than pyplot: no window, no global state, safe in a worker.
    figure = Figure(figsize=(11, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def plain(text: str) -> str:
    """
    Keep matplotlib from reading a text as a formula.

    Names are the user's: ``a$b$`` is no mathematics.
    """
    return text.replace("$", r"\$")


def save_figures(figures: Mapping[str, Figure], folder: Path) -> Sequence[Path]:
    """Write each figure as ``<name>.png``."""
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
