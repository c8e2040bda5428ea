"""A campaign in a folder of this machine, from start or interruption to results."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from flowpot.campaign import ActiveLearningMaker, Campaign, ResumableRun, embedded_store
from flowpot.report import ProgressLog, campaign_table, write_results
from flowpot.settings import get_settings

_CACHES = {"LABEL_CACHE": "labels", "TRAINING_CACHE": "trainings"}
"""Settings, and the folders of a run that they name unless the user has others."""


def run_in_folder(
    maker: ActiveLearningMaker,
    inputs: dict[str, Any],
    folder: Path,
    console: Console,
    *,
    go_on: bool = False,
) -> Campaign:
    """
    Run a campaign, or take up the one that the folder holds, and show its results.

    Parameters
    ----------
    maker
        The campaign.
    inputs
        Arguments of its ``make``.
    folder
        Of the run: ``results/``, the database in ``store/``, the jobs' folders in
        ``run/``, of a continued campaign also in ``run-2/`` and so on; ``labels/`` and
        ``trainings/`` keep what a killed job had finished.
    console
        To print on.
    go_on
        Whether to continue the campaign that has ended in this folder, with this
        Maker's stages and limits.

    Raises
    ------
    ValueError
        If there is none to continue.
    """
    began = time.monotonic()
    folder = Path(folder).absolute()
    maker.preflight(inputs.get("structures", inputs.get("dataset")), folder)
    store = embedded_store(folder / "store")
    runs = sorted(folder.glob("run*"), key=_number)
    if go_on:
        if not runs:
            raise ValueError(f"{folder} holds no campaign to continue: start one there")
        inputs = {"campaign": Campaign.from_store(store, maker.name)}
        runs.append(folder / f"run-{len(runs) + 1}")
    run = ResumableRun(
        runs[-1] if runs else folder / "run", store, ProgressLog(console).watch
    )
    verb = "Taking up the" if run.started else "Continuing a" if go_on else "Starting a"
    console.print(f"{verb} campaign in {folder}", highlight=False)
    with _caches(folder):
        flow = run.run(None if run.started else maker.make(**inputs))

    campaign = Campaign.from_store(store, flow.output.uuid)
    _show(campaign, folder, console)
    console.print(f"[dim]{time.monotonic() - began:.0f} s[/]", highlight=False)
    return campaign


@contextmanager
def _caches(folder: Path) -> Iterator[None]:
    """Keep labels and unfinished trainings there, where the user has no other place."""
    settings = get_settings()
    own = {
        f"FLOWPOT_{name}": str(folder / place)
        for name, place in _CACHES.items()
        if getattr(settings, name) is None
    }
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]


def _show(campaign: Campaign, folder: Path, console: Console) -> None:
    doc = campaign.doc
    places = {"database": folder / "store"}
    if doc.committee is not None and doc.dataset:
        places = write_results(campaign, folder / "results") | places
    console.print()
    console.print(campaign_table(campaign.name, campaign.turns))
    console.print(f"[bold]Stopped[/], {doc.stop_reason}", highlight=False)
    for what, path in places.items():
        console.print(f"  {what:12} {path}", highlight=False)


def _number(run: Path) -> int:
    """Order run, run-2, ..., run-10."""
    return int(run.name.partition("-")[2] or 1)
