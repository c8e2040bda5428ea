"""The sections of a campaign's report; each says so where there is nothing yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from flowpot.campaign.reading import Campaign
from flowpot.dataset import Dataset
from flowpot.dataset.sets import SETS
from flowpot.documents import reason_for
from flowpot.evaluation import CommitteePrediction, evaluate_committee
from flowpot.potentials import load_potential
from flowpot.redaction import redact
from flowpot.report.calibration import plot_calibration, plot_coverage, plot_rates
from flowpot.report.disagreement import plot_disagreement
from flowpot.report.history import plot_cost, plot_growth, plot_halts, plot_rmse
from flowpot.report.map import plot_map
from flowpot.report.parity import plot_parity
from flowpot.report.table import campaign_table, origin_table

_MAX_ATOMS = 4000  # of the frames that the report itself predicts
_MAX_ROWS = 200  # of the table of failures

_PARITY, _MAP = "Predictions and labels", "Map of the frames"
_UNTRAINED = "No committee is trained yet."
_NEEDS_MODELS = (
    "Needs the models, which may hold code: flowpot report --load-models draws it, "
    "for a store that you trust."
)

Rows = list[list[str]]


@dataclass
class Section:
    """
    A section of the report, with a figure or a table.

    Attributes
    ----------
    name
        Name of the figure's file, without its suffix.
    title
        Heading.
    caption
        What the figure or the table shows.
    figure
        The figure; None where there is nothing to draw.
    header, rows
        Cells of the table.
    empty
        What the section says if it has neither figure nor rows.
    """

    name: str
    title: str
    caption: str = ""
    figure: Figure | None = None
    header: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    empty: str = ""


def sections_of(campaign: Campaign, *, load_models: bool = False) -> Iterator[Section]:
    """
    Yield the sections of a campaign's report, in order.

    A section that cannot be drawn, of a failed campaign for instance, says why.

    Parameters
    ----------
    campaign
        Finished or running.
    load_models
        Whether the committee's models are loaded: see
        :func:`flowpot.report.write_report`.
    """
    for name, title, build in _builders(campaign, load_models=load_models):
        try:
            built = build()
            yield from [built] if isinstance(built, Section) else list(built)
        except Exception as error:  # noqa: BLE001 - the other sections are shown
            yield Section(name, title, empty=f"Cannot be shown: {reason_for(error)}.")


def _builders(
    campaign: Campaign, *, load_models: bool
) -> Iterator[tuple[str, str, Callable[[], Section | Iterator[Section]]]]:
    """Yield name and title of each section, and the function that builds it."""
    frames = cache(campaign.dataset)
    sample = cache(lambda: sample_frames(frames(), _MAX_ATOMS))
    yield "iterations", "Iterations", lambda: _iterations(campaign)
    yield "rmse", "Errors", lambda: _errors(campaign)
    yield "origins", "Errors by origin", lambda: _origins(campaign)
    if load_models:
        yield "parity", _PARITY, lambda: _parity(campaign, sample(), len(frames()))
    else:
        yield "parity", _PARITY, lambda: _parity_as_predicted(campaign, frames())
    yield "calibration", "Calibration", lambda: _calibration(campaign)
    yield "growth", "Dataset", lambda: _growth(frames())
    if load_models:
        yield "map", _MAP, lambda: _map(campaign, sample(), len(frames()))
    else:
        yield "map", _MAP, lambda: Section("map", _MAP, empty=_NEEDS_MODELS)
    yield "halts", "Molecular dynamics", lambda: _halts(campaign)
    yield "failures", "Failures", lambda: _failures(campaign)
    yield "cost", "Cost", lambda: _cost(campaign)
    yield "settings", "Settings", lambda: _settings(campaign)
    yield "versions", "Versions", lambda: _versions(campaign)


def _settings(campaign: Campaign) -> Section:
    return Section(
        "settings",
        "Settings",
        "Settings of the last training, of one label and of one trajectory.",
        rows=[[name, redact(str(value))] for name, value in campaign.settings.items()],
        empty="Known once a label or a training is there.",
    )


def _versions(campaign: Campaign) -> Section:
    return Section(
        "versions",
        "Versions",
        rows=[[name, version] for name, version in sorted(campaign.versions.items())],
        empty="None stated yet.",
    )


def sample_frames(frames: Dataset, max_atoms: int) -> Dataset:
    """
    Draw frames at random from the three sets, as many of each as there is room for.

    Isolated atoms are left out: they only give reference energies.

    Parameters
    ----------
    frames
        Frames with a ``split`` column.
    max_atoms
        Number of atoms in the drawn frames, at most; each set has a third of them.
    """
    split = frames.column("split")
    kind = np.asarray(frames.column("config_type", ""), str)
    chosen = []
    for name in SETS:
        rows = np.flatnonzero((split == name) & (kind != "isolated_atom"))
        rows = np.random.default_rng(0).permutation(rows)
        chosen.append(rows[np.cumsum(frames.n_atoms[rows]) <= max_atoms // 3])
    return frames[np.sort(np.concatenate(chosen))]


def _iterations(campaign: Campaign) -> Section:
    table = campaign_table(campaign.name, campaign.iteration_docs)
    cells = [list(column.cells) for column in table.columns]
    return Section(
        "iterations",
        "Iterations",
        str(table.caption),
        header=[str(column.header) for column in table.columns],
        rows=[[str(cell) for cell in row] for row in zip(*cells, strict=True)],
        empty="The first iteration has no result yet.",
    )


def _errors(campaign: Campaign) -> Section:
    figure = None
    if _is_trained(campaign):
        figure = plot_rmse(campaign.iteration_docs, campaign.member_metrics)
    return Section(
        "rmse",
        "Errors",
        "Line: the committee's mean prediction. Band: from its best member to its "
        "worst.",
        figure=figure,
        empty=_UNTRAINED,
    )


def _origins(campaign: Campaign) -> Section:
    header, rows = origin_table(campaign.errors_by_origin)
    return Section(
        "origins",
        "Errors by origin",
        "RMSE of the last committee's mean, on train / val / test / audit. Augmented: "
        "what the campaign began with, given labels included.",
        *(None, header, rows, "No training has reported them yet."),
    )


def _is_trained(campaign: Campaign) -> bool:
    return any(iteration.metrics for iteration in campaign.iteration_docs)


def _parity(campaign: Campaign, sample: Dataset, n_frames: int) -> Section:
    if not _is_trained(campaign):
        return Section("parity", _PARITY, empty=_UNTRAINED)
    prediction = evaluate_committee(campaign.committee(), sample)
    return Section(
        "parity",
        _PARITY,
        f"{_sampled(sample, n_frames)} Lower row: histograms of the errors.",
        figure=plot_parity(sample, prediction),
    )


def _parity_as_predicted(campaign: Campaign, frames: Dataset) -> Section:
    """Compare labels with what was predicted before the frames were labelled."""
    if not _is_trained(campaign):
        return Section("parity", _PARITY, empty=_UNTRAINED)
    predicted = {
        fingerprint: (batch, i)
        for batch in campaign.predictions()
        for i, fingerprint in enumerate(batch.fingerprints.tolist())
    }
    known = [fingerprint in predicted for fingerprint in frames.fingerprints.tolist()]
    frames = frames[np.array(known, dtype=bool)]
    if not len(frames):
        return Section(
            "parity",
            _PARITY,
            empty="No frame that the committee has predicted is labelled yet. "
            "flowpot report --load-models compares all labelled frames.",
        )
    places = [predicted[fingerprint] for fingerprint in frames.fingerprints.tolist()]
    mean = Dataset.concatenate([batch[[i]] for batch, i in places])
    prediction = CommitteePrediction(
        mean.energy[None], mean.forces[None], mean.stress[None]
    )
    return Section(
        "parity",
        _PARITY,
        f"{len(frames)} frames, as they were predicted before they were labelled. "
        "Lower row: histograms of the errors.",
        figure=plot_parity(frames, prediction),
    )


def _calibration(campaign: Campaign) -> Iterator[Section]:
    fits = campaign.calibration
    evidence = campaign.evidence()[-1] if fits else {}
    origin = next((fit.origin for fit in fits.values()), "")
    parts: list[tuple[str, str, str, Callable[..., Figure]]] = [
        (
            "calibration",
            "Calibration",
            f"Uncertainty against error, fitted on {origin}.",
            plot_calibration,
        ),
        (
            "rates",
            "True positive rate and positive predictive value",
            "For every tolerance and threshold on the leading uncertainty alone.",
            plot_rates,
        ),
        (
            "coverage",
            "Coverage of the calibrated error",
            "Where the curve is below the diagonal, calibrated errors are too small.",
            plot_coverage,
        ),
    ]
    for name, title, caption, plot in parts:
        figure = plot(evidence, fits) if fits else None
        empty = "No committee is calibrated yet."
        yield Section(name, title, caption if fits else "", figure, empty=empty)
    chosen = campaign.predictions()[-1] if fits else None
    yield Section(
        "disagreement",
        "Disagreement by origin and size",
        "The frames that the last evaluation chose, and the thresholds.",
        figure=plot_disagreement(chosen, fits) if chosen else None,
        empty="No frame is chosen yet.",
    )


def _growth(frames: Dataset) -> Section:
    return Section(
        "growth",
        "Dataset",
        f"{len(frames)} labelled frames by origin.",
        figure=plot_growth(frames) if len(frames) else None,
        empty="No frame is labelled yet.",
    )


def _map(campaign: Campaign, sample: Dataset, n_frames: int) -> Section:
    section = Section("map", _MAP)
    if not _is_trained(campaign):
        section.empty = _UNTRAINED
        return section
    try:
        first = next(m for m in campaign.committee().members if m.model is not None)
        section.figure = plot_map(sample, load_potential(first).descriptors(sample))
    except NotImplementedError as error:
        section.empty = f"No map: {error}."
        return section
    section.caption = (
        f"{_sampled(sample, n_frames)} Principal components of the model's own "
        "descriptors: frames that the model finds similar lie side by side."
    )
    return section


def _halts(campaign: Campaign) -> Section:
    runs = campaign.n_runs
    return Section(
        "halts",
        "Molecular dynamics",
        "Trajectories, and why some were halted.",
        figure=plot_halts(campaign.iteration_docs, runs) if runs else None,
        empty="Nothing is explored yet.",
    )


def _failures(campaign: Campaign) -> Section:
    rows = campaign.failures.fillna("").astype(str).map(redact).to_numpy().tolist()
    shown = f"The last {_MAX_ROWS} of {len(rows)}." if len(rows) > _MAX_ROWS else ""
    return Section(
        "failures",
        "Failures",
        shown,
        header=[str(column) for column in campaign.failures.columns],
        rows=rows[-_MAX_ROWS:],
        empty="None.",
    )


def _cost(campaign: Campaign) -> Section:
    spent = any(
        sum(iteration.seconds.values()) for iteration in campaign.iteration_docs
    )
    return Section(
        "cost",
        "Cost",
        "Wall time of the engines, added up over runs that went side by side.",
        figure=plot_cost(campaign.iteration_docs) if spent else None,
        empty="No stage has finished yet.",
    )


def _sampled(sample: Dataset, n_frames: int) -> str:
    if len(sample) == n_frames:
        return "All frames."
    return f"{len(sample)} of {n_frames} frames, drawn from each set."
