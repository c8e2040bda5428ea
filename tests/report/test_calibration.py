"""The calibration's figures show the numbers of its documents."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import PROPERTIES, calibrate
from flowpot.report import (
    plot_calibration,
    plot_coverage,
    plot_disagreement,
    plot_rates,
    save_figures,
)
from flowpot.report.figures import logarithmic, row_of_axes

TOLERANCE = {"energy": 0.1, "forces": 0.1}
PLOTS = (plot_calibration, plot_rates, plot_coverage)


@pytest.fixture
def evidence():
    """Gaussian errors whose scale the disagreement gives, times two."""
    rng = np.random.default_rng(3)
    scale = np.exp(rng.normal(size=400)) * 0.1
    arrays = {"weights": np.ones(400)}
    for name in PROPERTIES:
        arrays[f"disagreement_{name}"] = 2 * scale
        arrays[f"error_{name}"] = scale * np.abs(rng.normal(size=400))
    return arrays


@pytest.fixture
def fits(evidence):
    kinds = ("disagreement", "error")
    arrays = ({n: evidence[f"{k}_{n}"] for n in TOLERANCE} for k in kinds)
    found = calibrate(*arrays, TOLERANCE)
    return {k: f.model_copy(update={"slope": 2.0}) for k, f in found.items()}


def counts(axis):
    return {
        label.split(":", maxsplit=1)[0]: len(line.get_xdata())
        for line in axis.lines
        if ":" in (label := str(line.get_label()))
    }


def test_the_scatter_counts_what_the_thresholds_make_of_the_frames(evidence, fits):
    figure = plot_calibration(evidence, fits)
    energy, _, stress = figure.axes
    fit = fits["energy"]
    over = evidence["disagreement_energy"] > fit.threshold
    bad = evidence["error_energy"] > fit.tolerance
    found = counts(energy)
    assert found["caught"] == (over & bad).sum()
    assert found["missed"] == (~over & bad).sum()
    assert found["caught"] / (found["caught"] + found["missed"]) == pytest.approx(
        fit.tpr
    )
    assert found["caught"] / (found["caught"] + found["in vain"]) == pytest.approx(
        fit.ppv
    )
    assert "slope 2.00" in energy.get_title()
    assert not stress.has_data()  # it was not calibrated


def test_the_maps_hold_the_rates_of_the_fit(evidence, fits):
    tpr, ppv = plot_rates(evidence, fits).axes[0:6:3]
    fit = fits["energy"]
    for axis, expected in ((tpr, fit.tpr), (ppv, fit.ppv)):
        mesh = axis.collections[0]
        x, y = (mesh.get_coordinates()[..., i] for i in (0, 1))
        column = np.searchsorted(x[0], 1e3 * fit.tolerance) - 1
        row = np.searchsorted(y[:, 0], 1e3 * fit.threshold) - 1
        drawn = mesh.get_array().reshape(len(y) - 1, -1)[row, column]
        assert drawn == pytest.approx(expected, abs=0.1)


def test_coverage_lies_on_the_diagonal_for_gaussian_errors(evidence, fits):
    energy, forces, _ = plot_coverage(evidence, fits).axes
    for axis in (energy, forces):
        nominal, observed = axis.lines[1].get_xydata().T
        assert observed == pytest.approx(nominal, abs=0.06)
    worse = evidence | {"error_energy": 2 * evidence["error_energy"]}
    nominal, observed = plot_coverage(worse, fits).axes[0].lines[1].get_xydata().T
    assert (observed[10:] < nominal[10:] - 0.03).all()  # errors promised too small


def test_weights_count_in_the_coverage(evidence, fits):
    small = evidence["error_energy"] < evidence["disagreement_energy"] / 2
    weighted = evidence | {"weights": np.where(small, 1.0, 1e-9)}
    _, observed = plot_coverage(weighted, fits).axes[0].lines[1].get_xydata().T
    assert observed[-20:] == pytest.approx(1)


def test_disagreement_is_drawn_by_origin_and_size(fits, tmp_path):
    frames = [bulk("Si", cubic=True) * (i, 1, 1) for i in (1, 2, 3)]
    columns = {f"disagreement_{name}": [0.1, 0.3, np.nan] for name in PROPERTIES}
    dataset = Dataset.from_atoms(frames).with_info(
        config_type=np.array(["md", "md", None], dtype=object), **columns
    )
    figure = plot_disagreement(dataset, fits)
    above, below = figure.axes[0], figure.axes[3]
    assert [label.get_text() for label in above.get_xticklabels()] == [
        "- (n = 1)",
        "md (n = 2)",
    ]
    assert below.lines[1].get_xydata().tolist() == [[8, 100], [16, 300]]
    (path,) = save_figures({"disagreement": figure}, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_evidence_without_a_fit_gives_empty_figures(evidence):
    for plot in (plot_calibration, plot_rates, plot_coverage):
        assert not any(axis.collections for axis in plot(evidence, {}).axes)


@pytest.mark.parametrize("threshold", [1e6, 1e-12])
def test_a_threshold_far_from_all_frames_is_stated(evidence, fits, threshold):
    far = fits | {"forces": fits["forces"].model_copy(update={"threshold": threshold})}
    rng = np.random.default_rng(1)
    frames = Dataset.from_atoms([bulk("Si")] * 20)
    disagreement = {
        f"disagreement_{name}": rng.uniform(1, 2, 20) for name in PROPERTIES
    }
    frames = frames.with_info(config_type=["md"] * 20, **disagreement)
    for figure in (plot_calibration(evidence, far), plot_disagreement(frames, far)):
        usual, forces, *_ = figure.axes
        for axis in (usual, forces):
            points = np.concatenate([line.get_ydata() for line in axis.lines[:4]])
            low, high = axis.get_ylim()
            assert high / low < 1e3 * points.max() / points.min()
        assert not usual.texts
        (stated,) = forces.texts
        assert f"threshold {1000 * threshold:.2g}: far" in stated.get_text()


@pytest.mark.parametrize("decades", [0.5, 1, 2, 3, 5, 9, 14])
def test_logarithmic_axes_of_any_length_have_a_few_ticks(decades):
    _, (axis,) = row_of_axes(1)
    axis.plot([0.003, 0.003 * 10**decades], [1, 2])
    logarithmic(axis, "x")
    low, high = axis.get_xlim()
    ticks = axis.get_xticks()
    assert 2 <= sum((ticks >= low) & (ticks <= high)) <= 8


@pytest.mark.parametrize("column", ["disagreement_stress", "error_stress"])
@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_a_property_without_spread_leaves_the_others_their_figures(
    evidence, column, value, tmp_path
):
    """All its frames disagree or err alike, or beyond all numbers."""
    evidence = evidence | {column: np.full(400, value)}
    tolerance = dict.fromkeys(PROPERTIES, 0.1)
    kinds = ("disagreement", "error")
    arrays = ({n: evidence[f"{k}_{n}"] for n in PROPERTIES} for k in kinds)
    fits = calibrate(*arrays, tolerance)
    fits.setdefault("stress", fits["forces"])
    figures = {p.__name__: p(evidence, fits) for p in PLOTS}
    assert len(save_figures(figures, tmp_path)) == len(PLOTS)
    energy, _, stress = figures["plot_calibration"].axes
    assert energy.lines
    assert not stress.lines
    assert [text.get_text() for text in stress.texts] == ["no frames"]


def test_evidence_without_a_frame_is_said(evidence, fits, tmp_path):
    nothing = {name: values[:0] for name, values in evidence.items()}
    figures = {p.__name__: p(nothing, fits) for p in PLOTS}
    assert len(save_figures(figures, tmp_path)) == len(PLOTS)
    for figure in figures.values():
        assert [text.get_text() for text in figure.axes[0].texts] == ["no frames"]


@pytest.mark.parametrize("with_fits", [True, False])
def test_disagreements_that_are_no_finite_number_are_not_drawn(
    fits, with_fits, tmp_path
):
    values = {"energy": [0.1, np.inf], "forces": [np.inf] * 2, "stress": [0.0, np.nan]}
    columns = {f"disagreement_{name}": column for name, column in values.items()}
    frames = Dataset.from_atoms([bulk("Si")] * 2).with_info(
        config_type=["md"] * 2, **columns
    )
    figure = plot_disagreement(frames, fits if with_fits else None)
    assert save_figures({"disagreement": figure}, tmp_path)
    energy, *others = figure.axes[:3]
    assert energy.lines[0].get_ydata().tolist() == [100]
    for axis in others:
        assert [text.get_text() for text in axis.texts] == ["no frames"]
