"""The sections of a campaign's report, in their order."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from matplotlib.figure import Figure

from flowpot.campaign.reading import Campaign
from flowpot.documents import reason_for
from flowpot.redaction import redact
from flowpot.report.calibration import (
    Evidence,
    plot_calibration,
    plot_coverage,
    plot_rates,
)
from flowpot.report.cost import costs_of
from flowpot.report.disagreement import plot_disagreement
from flowpot.report.frame_sections import (
    MAP,
    NEEDS_MODELS,
    PARITY,
    UNTRAINED,
    frames_map,
    growth,
    is_trained,
    parity,
    parity_as_predicted,
    sample_frames,
)
from flowpot.report.history import plot_cost, plot_halts, plot_learning, plot_rmse
from flowpot.report.methods import flat, methods_of
from flowpot.report.phrases import of_stage, without_campaigns_own
from flowpot.report.properties import TITLE, properties_section
from flowpot.report.section import Section
from flowpot.report.table import campaign_table, origin_table
from flowpot.report.wording import duration, number

_MAX_ATOMS = 4000  # of the frames that the report itself predicts
_MAX_ROWS = 200  # of the table of failures
DISAGREEMENT = "Disagreement by origin and size"

_CALIBRATION: dict[str, tuple[str, str, Callable[..., Figure]]] = {
    "calibration": (
        "Calibration",
        "Uncertainty against error, fitted on {origin}.",
        plot_calibration,
    ),
    "rates": (
        "True positive rate and positive predictive value",
        "For every tolerance and threshold on the leading uncertainty alone.",
        plot_rates,
    ),
    "coverage": (
        "Coverage of the calibrated error",
        "Where the curve is below the diagonal, calibrated errors are too small.",
        plot_coverage,
    ),
}
"""Titles and captions of the figures of a calibration, and what draws them."""


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
            section = build()
        except Exception as error:  # noqa: BLE001 - the other sections are shown
            section = Section(
                name, title, empty=f"Cannot be shown: {reason_for(error)}."
            )
        if section is not None:
            yield section


def _builders(
    campaign: Campaign, *, load_models: bool
) -> Iterator[tuple[str, str, Callable[[], Section | None]]]:
    """
    Yield name and title of each section, and the function that builds it.

    The function returns None where the section has nothing to say.
    """
    frames = cache(campaign.dataset)
    sample = cache(lambda: sample_frames(frames(), _MAX_ATOMS))
    yield "iterations", "Iterations", lambda: _iterations(campaign)
    yield "learning", "Error on fresh frames", lambda: _learning(campaign)
    yield "rmse", "Errors", lambda: _errors(campaign)
    yield "origins", "Errors by origin", lambda: _origins(campaign)
    if load_models:
        yield "parity", PARITY, lambda: parity(campaign, sample(), len(frames()))
    else:
        yield "parity", PARITY, lambda: parity_as_predicted(campaign, frames())
    evidence = cache(lambda: campaign.evidence(last=1)[-1])
    for name, (title, *_) in _CALIBRATION.items():
        yield name, title, partial(_calibration, campaign, name, evidence)
    yield "disagreement", DISAGREEMENT, lambda: _disagreement(campaign)
    iterations = campaign.iteration_docs
    if any(iteration.properties for iteration in iterations):
        yield "properties", TITLE, lambda: properties_section(iterations)
    yield "growth", "Dataset", lambda: growth(campaign, frames())
    if load_models:
        yield "map", MAP, lambda: frames_map(campaign, sample(), len(frames()))
    else:
        yield "map", MAP, lambda: Section("map", MAP, empty=NEEDS_MODELS)
    yield "halts", "Molecular dynamics", lambda: _halts(campaign)
    yield "failures", "Failures", lambda: _failures(campaign)
    yield "remarks", "Remarks on labels", lambda: _remarks(campaign)
    yield "cost", "Cost", lambda: _cost(campaign)
    yield "methods", "Methods", lambda: methods_of(campaign)
    yield "settings", "Settings", lambda: _settings(campaign)
    yield "versions", "Versions", lambda: _versions(campaign)


def _settings(campaign: Campaign) -> Section:
    return Section(
        "settings",
        "Settings",
        "As one label, the last training and one trajectory state them; then the "
        "fields of the campaign's Makers.",
        rows=[[name, redact(str(value))] for name, value in _used(campaign).items()],
        empty="Known once a label or a training is there.",
    )


def _used(campaign: Campaign) -> dict[str, Any]:
    """Return the settings that the campaign has used, by names with dots."""
    makers = dict(campaign.makers)
    if evaluation := of_stage(makers, "evaluation"):
        makers["evaluation"] = without_campaigns_own(evaluation)
    # What a stage states it has used; the Makers say what was asked for.
    stated = dict(flat(campaign.settings))
    return stated | {n: v for n, v in flat(makers) if n not in stated}


def _versions(campaign: Campaign) -> Section:
    return Section(
        "versions",
        "Versions",
        rows=[[name, version] for name, version in sorted(campaign.versions.items())],
        empty="None stated yet.",
    )


def _iterations(campaign: Campaign) -> Section:
    table = campaign_table(campaign.name, campaign.iteration_docs)
    names, *columns = table.columns
    newest_first = [names, *reversed(columns)]  # which a phone shows without scrolling
    cells = [list(column.cells) for column in newest_first]
    return Section(
        "iterations",
        "Iterations",
        str(table.caption),
        header=[str(column.header) for column in newest_first],
        rows=[[str(cell) for cell in row] for row in zip(*cells, strict=True)],
        empty="The first iteration has no result yet.",
    )


def _learning(campaign: Campaign) -> Section:
    iterations = campaign.iteration_docs
    known = any(iteration.fresh_error for iteration in iterations)
    costs, labels = costs_of(campaign), campaign.label_costs.core_seconds
    aside = f" Core-hours: {costs.reservation}." if costs.reservation else ""
    return Section(
        "learning",
        "Error on fresh frames",
        "Median error of explored frames, as predicted before they were learned, with "
        f"95 % intervals; n: frames. An open triangle: no upper end.{aside}",
        figure=plot_learning(iterations, labels) if known else None,
        empty="No error on fresh frames is known yet.",
    )


def _errors(campaign: Campaign) -> Section:
    figure = None
    if is_trained(campaign):
        figure = plot_rmse(
            campaign.iteration_docs, campaign.member_metrics, campaign.set_sizes
        )
    return Section(
        "rmse",
        "Errors",
        "RMSE. Line: the committee's mean prediction. Band: from its best member to "
        "its worst. n: frames of the last training's sets.",
        figure=figure,
        empty=UNTRAINED,
    )


def _origins(campaign: Campaign) -> Section:
    header, rows = origin_table(campaign.errors_by_origin)
    return Section(
        "origins",
        "Errors by origin",
        "RMSE of the last committee's mean, on train / val / test / audit. Augmented: "
        "what the campaign began with, given labels included.",
        header=header,
        rows=rows,
        empty="No training has reported them yet.",
    )


def _calibration(
    campaign: Campaign, name: str, evidence: Callable[[], Evidence]
) -> Section:
    """Draw one of the figures of the last calibration."""
    title, caption, plot = _CALIBRATION[name]
    fits = campaign.calibration
    if not fits:
        return Section(name, title, empty="No committee is calibrated yet.")
    origin = next(fit.origin for fit in fits.values())
    return Section(name, title, caption.format(origin=origin), plot(evidence(), fits))


def _disagreement(campaign: Campaign) -> Section:
    fits = campaign.calibration
    chosen = campaign.predictions(last=1)[-1] if fits else None
    return Section(
        "disagreement",
        DISAGREEMENT,
        "The frames that the last evaluation chose, and the thresholds.",
        figure=plot_disagreement(chosen, fits) if chosen else None,
        empty="No frame is chosen yet.",
    )


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


def _remarks(campaign: Campaign) -> Section | None:
    remarks = campaign.remarks
    if not len(remarks):
        return None
    return Section(
        "remarks",
        "Remarks on labels",
        "Warnings of the engine, and what was changed after it had failed.",
        header=["iteration", "kind", "remark", "labels"],
        rows=remarks.astype(str).map(redact).to_numpy().tolist(),
    )


def _cost(campaign: Campaign) -> Section:
    costs = costs_of(campaign)
    rows = [
        [stage, number(hours), duration(costs.seconds[stage])]
        for stage, hours in costs.core_hours.items()
    ]
    total = sum(costs.core_hours.values()), sum(costs.seconds.values())
    each = costs.core_seconds_per_label
    if rows:
        rows.append(["all", number(total[0]), duration(total[1])])
    if each is not None:
        rows.append(["per label", number(each / 3600), duration(each)])
    aside = f" {costs.reservation[:1].upper()}{costs.reservation[1:]}." * bool(rows)
    labels = campaign.label_costs.core_seconds
    return Section(
        "cost",
        "Cost",
        f"{costs.n_labels} labels, {costs.n_failed} more failed. Core-hours are wall "
        "time x processes; engines' time is wall time, added up over runs that went "
        f"side by side.{aside if costs.reservation else ''} Failed labels count in the "
        "cost of a label.",
        figure=plot_cost(campaign.iteration_docs, labels) if rows else None,
        header=["stage", "core-hours", "engines' time"] if rows else [],
        rows=rows,
        empty="No stage has finished yet.",
    )
