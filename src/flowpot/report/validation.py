"""The properties of a validation: tables, figures and files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from flowpot.dataset.storage import write_whole
from flowpot.properties import CrystalDoc, Quantity, ValidationDoc
from flowpot.properties.curves import read_arrays
from flowpot.properties.verdict import number
from flowpot.report.figures import plain, row_of_axes, save_figures
from flowpot.report.wording import with_symbols

Arrays = Mapping[str, NDArray[Any]]
_SAME = 0.005  # THz: branches that are degenerate
_GREEK = {"GAMMA": "\u0393", "SIGMA": "\u03a3", "DELTA": "\u0394", "LAMBDA": "\u039b"}


def validation_table(crystal: CrystalDoc) -> Table:
    """
    Tabulate the quantities of a crystal, a row each.

    Degenerate branches of phonons share a row.

    Parameters
    ----------
    crystal
        The crystal.
    """
    table = Table(
        title=Text(crystal.name),
        title_justify="left",
        caption="95 %: by the error model; in brackets by the members' spread.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("quantity")
    for name in ("mean", "95 %", "reference", "deviation"):
        table.add_column(name, justify="right", no_wrap=True)
    section = None
    for quantity in _distinct(crystal.quantities):
        if section not in (None, quantity.calculation):
            table.add_section()
        section = quantity.calculation
        table.add_row(*_row(quantity))
    return table


def _distinct(quantities: Sequence[Quantity]) -> Iterator[Quantity]:
    """Leave out branches of phonons that are degenerate with the one before."""
    last: Quantity | None = None
    for quantity in quantities:
        same_point = (
            last is not None
            and quantity.name.startswith("phonon_")
            and quantity.name.rpartition("_")[0] == last.name.rpartition("_")[0]
        )
        if last is not None and same_point and abs(quantity.mean - last.mean) < _SAME:
            continue
        last = quantity
        yield quantity


def _row(quantity: Quantity) -> tuple[str, str, str, str, str]:
    width = quantity.half_width
    half = "-" if width is None else f"\u00b1{_rounded(width)}"
    if quantity.interval_kind == "members":
        half = f"({half})"
    reference, deviation = "", ""
    if quantity.reference is not None:
        reference = number(quantity.reference)
        deviation = f"{quantity.deviation:+.2g}"
        if quantity.reference and quantity.name != "energy":
            deviation = f"{quantity.mean / quantity.reference - 1:+.1%}"
        if quantity.is_covered is False:
            deviation += " !"
    name = with_symbols(f"{quantity.name.replace('_', ' ')} ({quantity.unit})")
    return name, number(quantity.mean), half, reference, deviation


def _rounded(width: float) -> str:
    return f"{width:.0f}" if width >= 100 else f"{width:.2g}"  # noqa: PLR2004


def validation_figures(document: ValidationDoc) -> dict[str, Figure]:
    """
    Draw equation of state and phonons of each crystal, with their 95 % bands.

    Parameters
    ----------
    document
        The validation.

    Returns
    -------
    dict
        Figures by names that files can have; crystals without curves have none.
    """
    arrays = read_arrays(document.curves)
    figures = {}
    for index, crystal in enumerate(document.crystals):
        own = {
            name.removeprefix(f"{crystal.name}/"): array
            for name, array in arrays.items()
            if name.startswith(f"{crystal.name}/")
        }
        panels = [
            draw
            for key, draw in (
                ("eos/energies", _draw_eos),
                ("phonons/bands", _draw_bands),
            )
            if key in own
        ]
        if not panels:
            continue
        figure, axes = row_of_axes(len(panels), height=4.0)
        figure.suptitle(plain(crystal.name))
        for axis, draw in zip(axes, panels, strict=True):
            draw(axis, own)
        figures[f"crystal_{index}"] = figure
    return figures


def _draw_eos(axes: Axes, arrays: Arrays) -> None:
    """Draw the members' energies, the band, and the reference."""
    volumes, energies = arrays["eos/volumes"], arrays["eos/energies"]
    lowest = energies.mean(axis=0).min()
    for own_volumes, own in zip(volumes, energies, strict=True):
        order = np.argsort(own_volumes)
        axes.plot(own_volumes[order], 1000 * (own - lowest)[order], lw=0.8, c="grey")
    axes.plot([], [], lw=0.8, c="grey", label="members")
    if "eos/band_errors" in arrays:
        at = arrays["eos/band_volumes"]
        order = np.argsort(at)
        mean = 1000 * (arrays["eos/band_members"].mean(axis=0) - lowest)[order]
        error = 1000 * arrays["eos/band_errors"][order]
        axes.plot(at[order], mean, c="tab:blue", label="mean")
        axes.fill_between(
            at[order], mean - error, mean + error, alpha=0.25, label="95 % band"
        )
    if "eos/reference_energies" in arrays:
        points = 1000 * (arrays["eos/reference_energies"] - lowest)
        axes.plot(
            arrays["eos/reference_volumes"], points, "ko", ms=4, label="reference"
        )
    axes.set(
        xlabel="volume (\u00c5$^3$/atom)", ylabel="energy above the lowest (meV/atom)"
    )
    axes.legend(frameon=False)


def _draw_bands(axes: Axes, arrays: Arrays) -> None:
    """Draw the mean of the branches with their band."""
    bands = arrays["phonons/bands"]
    distances = arrays["phonons/distances"]
    along = distances if distances.ndim == 1 else distances.mean(axis=0)
    mean = bands.mean(axis=0)
    width = arrays.get("phonons/bands_half_width")
    for branch in range(len(mean)):
        axes.plot(along, mean[branch], c="tab:blue", lw=1)
        if width is not None:
            low, high = mean[branch] - width[branch], mean[branch] + width[branch]
            axes.fill_between(along, low, high, alpha=0.25, color="tab:blue", lw=0)
    for branch in arrays.get("phonons/reference_bands", ()):
        axes.plot(along, branch, "k--", lw=0.8)
    ticks: dict[float, list[str]] = {}
    for place, label in zip(along, arrays["phonons/labels"].ravel(), strict=False):
        if label:
            names = ticks.setdefault(round(float(place), 6), [])
            text = _GREEK.get(label.strip("\\"), label.strip("\\"))
            names += [] if text in names else [text]
    axes.set_xticks(list(ticks), [plain("|".join(names)) for names in ticks.values()])
    for place in ticks:
        axes.axvline(place, c="lightgrey", lw=0.6, zorder=0)
    axes.axhline(0, c="grey", lw=0.6)
    axes.set(ylabel="frequency (THz)", xlim=(along[0], along[-1]))


def write_validation(document: ValidationDoc, folder: Path) -> dict[str, Path]:
    """
    Write a validation where people and programs find it.

    Parameters
    ----------
    document
        The validation.
    folder
        Folder of ``validation.json``, the arrays of the curves, the cells that are
        worth a label, and a figure a crystal.

    Returns
    -------
    dict
        What was written, and where.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = document.model_dump(mode="json", exclude={"curves", "dataset"})
    paths = {"numbers": folder / "validation.json"}
    write_whole(paths["numbers"], json.dumps(numbers, indent=1))
    if document.curves is not None:
        paths["curves"] = document.curves.to_file(folder / "curves.npz")
    if document.dataset is not None:
        paths["cells"] = document.dataset.to_file(folder / "cells.h5")
    for path in save_figures(validation_figures(document), folder):
        paths[f"figure {len(paths)}"] = path
    return paths
