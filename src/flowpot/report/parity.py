"""Figure of the predictions against the labels."""

from collections.abc import Mapping

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, CommitteePrediction
from flowpot.report.figures import SET_COLOURS, SET_MARKERS, as_pixels
from flowpot.report.wording import UNITS, number

_BINS = 50
_WIDEST = 99.5  # percentile of the errors that a histogram shows
_UNIT = {"energy": "eV/atom", "forces": "eV/\u00c5", "stress": "eV/\u00c5\u00b3"}
_SYMBOL = {
    "energy": "energy",
    "forces": "force component",
    "stress": "stress component",
}

Values = dict[str, NDArray[np.float64]]


def plot_parity(
    dataset: Dataset,
    prediction: CommitteePrediction,
    e0s: Mapping[str, float] | None = None,
) -> Figure:
    """
    Plot committee mean against label, for each set (paper, Fig. 4, bottom).

    Parameters
    ----------
    dataset
        Labelled frames with a ``split`` column.
    prediction
        The committee's prediction for the same frames.
    e0s
        Energy of the isolated atom of each element (eV), which is subtracted from
        energies. None, or where an element is missing: energies are as they are.

    Returns
    -------
    Figure
        Upper row: predictions against labels, with RMSE, MAE and number of frames of
        each set; lower row: histograms of the errors. Energies are per atom, forces
        and stress by component.
    """
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, len(PROPERTIES), height_ratios=(1.7, 1))
    offset = _energies_of_atoms(dataset, e0s or {})
    label = {name: getattr(dataset, name) for name in PROPERTIES}
    mean = dict(prediction.mean)
    for values in (label, mean):  # energies per atom
        energy = values["energy"] if offset is None else values["energy"] - offset
        values["energy"] = energy / dataset.n_atoms
    split = dataset.info["split"]
    for (above, below), name in zip(axes.T, PROPERTIES, strict=True):
        sets = np.repeat(split, dataset.n_atoms) if name == "forces" else split
        rows = {which: sets == which for which in SET_COLOURS}
        pairs = {
            w: (label[name][r].ravel(), mean[name][r].ravel()) for w, r in rows.items()
        }
        frames = {w: _count(label[name], r, dataset, name) for w, r in rows.items()}
        _draw_pairs(above, pairs)
        _write_errors(above, pairs, frames, name)
        symbol = _SYMBOL[name]
        if name == "energy" and offset is not None:
            symbol = "E \u2212 E0"
        above.set(
            xlabel=f"{symbol}, label ({_UNIT[name]})",
            ylabel=f"{symbol}, committee mean ({_UNIT[name]})",
        )
        _draw_errors(below, pairs, name)
    return figure


def _draw_pairs(axis: Axes, pairs: Mapping[str, tuple[NDArray, NDArray]]) -> None:
    """Draw predictions against labels, and the diagonal."""
    n_points = sum(len(x) for x, _ in pairs.values())
    for which, (x, y) in pairs.items():
        axis.plot(
            *(x, y, SET_MARKERS[which]),
            ms=3,
            mew=0,
            alpha=0.7,
            c=SET_COLOURS[which],
            label=which,
            rasterized=as_pixels(n_points),
        )
    everything = np.concatenate([values for pair in pairs.values() for values in pair])
    finite = everything[np.isfinite(everything)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    ends = (low - margin, high + margin)  # of both axes: the diagonal is one
    axis.set(xlim=ends, ylim=ends)
    axis.axline((low, low), slope=1, c="k", lw=0.6)


def _write_errors(
    axis: Axes,
    pairs: Mapping[str, tuple[NDArray, NDArray]],
    frames: Mapping[str, int],
    name: str,
) -> None:
    """Write RMSE, MAE and number of frames of each set above the panel."""
    unit, factor = UNITS[name]
    lines = [line for line in axis.lines if line.get_label() in pairs]
    shown, texts = [], []
    for line in lines:
        which = str(line.get_label())
        x, y = pairs[which]
        errors = (y - x)[np.isfinite(y - x)]
        if len(errors):
            rmse, mae = np.sqrt(np.mean(errors**2)), np.abs(errors).mean()
            shown.append(line)
            texts.append(
                f"{which}: RMSE {number(float(rmse), factor)}, "
                f"MAE {number(float(mae), factor)}, n {frames[which]}"
            )
    if shown:
        axis.legend(
            *(shown, texts),
            title=unit,
            frameon=False,
            loc="lower left",  # above the panel, where it hides no point
            bbox_to_anchor=(0, 1),
            fontsize=7.5,
            title_fontsize=7.5,
            alignment="left",
            markerscale=1.5,
            handletextpad=0.2,
            borderaxespad=0.2,
        )


def _draw_errors(
    axis: Axes, pairs: Mapping[str, tuple[NDArray, NDArray]], name: str
) -> None:
    """Draw the histograms of the errors of each set."""
    unit, factor = UNITS[name]
    errors = {which: factor * (y - x) for which, (x, y) in pairs.items()}
    finite = {which: e[np.isfinite(e)] for which, e in errors.items()}
    everything = np.abs(np.concatenate(list(finite.values())))
    limit = np.percentile(everything, _WIDEST) if len(everything) else 1.0
    for which, of_set in finite.items():
        if not len(of_set):
            continue
        axis.hist(
            of_set,
            bins=int(np.clip(2 * np.sqrt(len(everything)), 10, _BINS)),
            range=(-limit, limit) if limit > 0 else (-1, 1),
            density=True,
            histtype="step",
            color=SET_COLOURS[which],
        )
    axis.set(xlabel=f"error, {_SYMBOL[name]} ({unit})", ylabel="density", yticks=[])


def _count(
    label: NDArray[np.float64], rows: NDArray[np.bool_], dataset: Dataset, name: str
) -> int:
    """Count the frames of a set that have a label."""
    labelled = np.isfinite(label).reshape(len(label), -1).any(axis=1) & rows
    if name != "forces":
        return int(labelled.sum())
    frame_of_atom = np.repeat(np.arange(len(dataset)), dataset.n_atoms)
    return len(np.unique(frame_of_atom[labelled]))


def _energies_of_atoms(
    dataset: Dataset, e0s: Mapping[str, float]
) -> NDArray[np.float64] | None:
    """Return the sum of the isolated atoms' energies of each frame; None: not known."""
    if not {chemical_symbols[z] for z in np.unique(dataset.numbers)} <= e0s.keys():
        return None
    of_number = np.zeros(len(chemical_symbols))
    for symbol, energy in e0s.items():
        of_number[atomic_numbers[symbol]] = energy
    sums: NDArray[np.float64] = np.add.reduceat(
        of_number[dataset.numbers], dataset.offsets[:-1]
    )
    return sums
