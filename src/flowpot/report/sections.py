"""The parts of a campaign's report; each says so where there is nothing yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from flowpot.campaign.reading import Campaign
from flowpot.dataset import Dataset
from flowpot.dataset.sets import SETS
from flowpot.documents import reason_for
from flowpot.evaluation import CommitteePrediction, evaluate_committee
from flowpot.potentials import load_potential
from flowpot.redaction import redact
from flowpot.report.atlas import plot_map
from flowpot.report.calibration import (
    plot_calibration,
    plot_coverage,
    plot_disagreement,
    plot_rates,
)
from flowpot.report.history import plot_cost, plot_growth, plot_halts, plot_rmse
from flowpot.report.parity import plot_parity
from flowpot.report.table import campaign_table, in_words

_MAX_ATOMS = 4000  # that the report's own predictions are made for
_LARGE = 100  # meV and up: no decimals
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
    A part of the report.

    Attributes
    ----------
    name
        Of its figure's file.
    title
        Its heading.
    caption
        What is to be seen.
    figure
        None where there is nothing to draw.
    header, rows
        Of its table.
    empty
        What is said where there is neither.
    """

    name: str
    title: str
    caption: str = ""
    figure: Figure | None = None
    header: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    empty: str = ""


Parts = Section | Iterator[Section]


def sections_of(campaign: Campaign, *, load_models: bool = False) -> Iterator[Section]:
    """
    Draw and tabulate what a campaign has come to, one part after the other.

    A part that cannot be drawn, of a campaign that has failed for instance, says why.
    """
    for name, title, build in _parts(campaign, load_models=load_models):
        try:
            built = build()
            yield from [built] if isinstance(built, Section) else list(built)
        except Exception as error:  # noqa: BLE001 - the other parts are shown
            yield Section(name, title, empty=f"Cannot be shown: {reason_for(error)}.")


def _parts(
    campaign: Campaign, *, load_models: bool
) -> Iterator[tuple[str, str, Callable[[], Parts]]]:
    """List names and titles of the parts, and what makes them."""
    frames = cache(campaign.dataset)
    sample = cache(lambda: sample_frames(frames(), _MAX_ATOMS))
    yield "iterations", "Iterations", lambda: _iterations(campaign)
    yield "rmse", "Errors", lambda: _errors(campaign)
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
        "Of the last training, and of one label and one trajectory.",
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
    Draw frames of all three sets, as many of each as there is room for.

    Isolated atoms give reference energies; they are in no set that is judged.
    """
    split = frames.info.get("split", np.full(len(frames), None, object))
    kind = np.asarray(frames.info.get("config_type", np.full(len(frames), "")), str)
    chosen = []
    for name in SETS:
        rows = np.flatnonzero((split == name) & (kind != "isolated_atom"))
        rows = np.random.default_rng(0).permutation(rows)
        chosen.append(rows[np.cumsum(frames.n_atoms[rows]) <= max_atoms // 3])
    return frames[np.sort(np.concatenate(chosen))]


def _iterations(campaign: Campaign) -> Section:
    table = campaign_table(campaign.name, campaign.turns)
    cells = [list(column.cells) for column in table.columns]
    return Section(
        "iterations",
        "Iterations",
        "RMSE of the committee mean on train / val / test. Seconds are summed over "
        "runs that went side by side.",
        header=[str(column.header) for column in table.columns],
        rows=[[str(cell) for cell in row] for row in zip(*cells, strict=True)],
        empty="The first iteration has no result yet.",
    )


def _errors(campaign: Campaign) -> Section:
    trained = _is_trained(campaign)
    return Section(
        "rmse",
        "Errors",
        "Line: the committee's mean prediction. Band: from its best member to its "
        "worst.",
        figure=plot_rmse(campaign.turns, campaign.member_metrics) if trained else None,
        empty=_UNTRAINED,
    )


def _is_trained(campaign: Campaign) -> bool:
    return any(turn.metrics for turn in campaign.turns)


def _parity(campaign: Campaign, sample: Dataset, n_frames: int) -> Section:
    if not _is_trained(campaign):
        return Section("parity", _PARITY, empty=_UNTRAINED)
    prediction = evaluate_committee(campaign.committee(), sample)
    return Section(
        "parity",
        _PARITY,
        f"{_of(sample, n_frames)} Below, how the errors are spread.",
        figure=plot_parity(sample, prediction),
    )


def _parity_as_predicted(campaign: Campaign, frames: Dataset) -> Section:
    """Show what each frame was predicted to be before it was labelled."""
    if not _is_trained(campaign):
        return Section("parity", _PARITY, empty=_UNTRAINED)
    predicted = {
        fingerprint: (batch, i)
        for batch in campaign.predictions()
        for i, fingerprint in enumerate(batch.fingerprints.tolist())
    }
    known = [each in predicted for each in frames.fingerprints.tolist()]
    frames = frames[np.array(known, dtype=bool)]
    if not len(frames):
        return Section(
            "parity",
            _PARITY,
            empty="No frame that the committee has predicted is labelled yet. "
            "flowpot report --load-models compares all labelled frames.",
        )
    found = [predicted[each] for each in frames.fingerprints.tolist()]
    mean = Dataset.concatenate([batch[[i]] for batch, i in found])
    prediction = CommitteePrediction(
        mean.energy[None], mean.forces[None], mean.stress[None]
    )
    return Section(
        "parity",
        _PARITY,
        f"{len(frames)} frames, as they were predicted before they were labelled. "
        "Below, how the errors are spread.",
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
            "Under the diagonal the calibrated error promises too much.",
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
        "Of the frames that the last evaluation chose, with the thresholds.",
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
        f"{_of(sample, n_frames)} Principal components of the model's own descriptors: "
        "frames that are alike to it lie side by side."
    )
    return section


def _halts(campaign: Campaign) -> Section:
    runs = campaign.n_runs
    return Section(
        "halts",
        "Molecular dynamics",
        "Trajectories, and why some were halted.",
        figure=plot_halts(campaign.turns, runs) if runs else None,
        empty="Nothing is explored yet.",
    )


def _failures(campaign: Campaign) -> Section:
    found = campaign.failures.fillna("").astype(str).map(redact).to_numpy().tolist()
    shown = f"The last {_MAX_ROWS} of {len(found)}." if len(found) > _MAX_ROWS else ""
    return Section(
        "failures",
        "Failures",
        shown,
        header=[str(column) for column in campaign.failures.columns],
        rows=found[-_MAX_ROWS:],
        empty="None.",
    )


def _cost(campaign: Campaign) -> Section:
    spent = any(sum(turn.seconds.values()) for turn in campaign.turns)
    return Section(
        "cost",
        "Cost",
        "Wall time of the engines, added up over runs that went side by side.",
        figure=plot_cost(campaign.turns) if spent else None,
        empty="No stage has finished yet.",
    )


def _of(sample: Dataset, n_frames: int) -> str:
    if len(sample) == n_frames:
        return "All frames."
    return f"{len(sample)} of {n_frames} frames, drawn from each set."


def headlines(campaign: Campaign) -> list[tuple[str, Any]]:
    """Return the few numbers that people look for first."""
    turns = campaign.turns
    tested = [turn.metrics for turn in turns if turn.metrics]
    test = (tested[-1].get("test") or {}) if tested else {}
    judged = [turn for turn in turns if turn.n_explored is not None]
    found: list[tuple[str, Any]] = [
        ("iterations", len(turns)),
        ("labelled frames", turns[-1].n_dataset if turns else 0),
    ]
    if fresh := next((t.fresh_error for t in reversed(turns) if t.fresh_error), None):
        for name, unit in (("energy", "meV/atom"), ("forces", "meV/Å")):
            if name in fresh:
                said = in_words(fresh[name], 1e3)
                found.append((f"error on fresh frames, {name} ({unit})", said))
    for name, unit in (("energy", "meV/atom"), ("forces", "meV/Å")):
        if (value := test.get(name)) is not None:
            digits = 0 if 1e3 * value >= _LARGE else 1
            found.append((f"RMSE {name}, test ({unit})", f"{1e3 * value:.{digits}f}"))
    if judged:
        last = judged[-1]
        found.append(("frames flagged", f"{last.n_over} of {last.n_explored}"))
    hours = sum(sum(turn.seconds.values()) for turn in turns) / 3600
    found.append(("hours in engines", f"{hours:.2g}"))
    return found
