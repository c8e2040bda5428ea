"""A campaign in a folder of this machine, from start or interruption to results."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobflow import JobStore
from rich.console import Console

from flowpot.campaign import (
    ActiveLearningMaker,
    Campaign,
    LoopMaker,
    ResumableRun,
    embedded_store,
)
from flowpot.campaign.local.identity import described, differences, summarised
from flowpot.campaign.local.locking import locked
from flowpot.console import say
from flowpot.dataset.storage import write_whole
from flowpot.jobs import jobs_of
from flowpot.report import ProgressLog, campaign_table, write_results
from flowpot.settings import get_settings

_CACHES = {"LABEL_CACHE": "labels", "TRAINING_CACHE": "trainings"}
"""Settings, and the folders of a run that they name unless the user has others."""

_DESCRIPTION = "campaign.json"
"""File of a run that says what was asked for."""


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
        If there is none to continue, or if the folder holds another campaign than the
        one that is asked for.
    FolderInUseError
        If another process runs in this folder.
    """
    began = time.monotonic()
    folder = Path(folder).absolute()
    maker.preflight(inputs.get("structures", inputs.get("dataset")), folder)
    with locked(folder):
        store = embedded_store(folder / "store")
        run, given = _chosen(maker, inputs, folder, store, go_on=go_on)
        run.watch = ProgressLog(console).watch
        verb = "Taking up the" if run.started else "Starting a"
        verb = "Continuing a" if "campaign" in given and not run.started else verb
        say(console, f"{verb} campaign in {folder}")
        _describe(run, described(maker, inputs))
        with _caches(folder):
            flow = run.run(None if run.started else maker.make(**given))
        campaign = Campaign.from_store(store, flow.output.uuid)
        _show(campaign, folder, console)
    say(console, (f"{time.monotonic() - began:.0f} s", "dim"))
    return campaign


def _chosen(
    maker: ActiveLearningMaker,
    inputs: dict[str, Any],
    folder: Path,
    store: JobStore,
    *,
    go_on: bool,
) -> tuple[ResumableRun, dict[str, Any]]:
    """Choose the run to start or to take up, and what a new one is given."""
    runs = [
        ResumableRun(path, store) for path in sorted(folder.glob("run*"), key=_number)
    ]
    runs = [run for run in runs if run.started]
    if not runs:
        if go_on:
            raise ValueError(f"{folder} holds no campaign to continue: start one there")
        return ResumableRun(folder / "run", store), inputs
    last = runs[-1]
    ended = _ended(last, store)
    if go_on and ended is not None:
        following = ResumableRun(folder / f"run-{len(runs) + 1}", store)
        return following, {"campaign": ended}
    changes = differences(_description(last), described(maker, inputs))
    if changes:
        remedy = (
            "give --continue to go on with it under the new settings"
            if ended is not None
            else "undo the changes to take it up (once it has ended, --continue goes "
            "on under new settings)"
        )
        raise ValueError(
            f"{folder} holds another campaign than the one asked for: "
            f"{summarised(changes)}. Run in another folder (--folder), or {remedy}"
        )
    return last, inputs


def _ended(run: ResumableRun, store: JobStore) -> Campaign | None:
    """Read the campaign that a run has ended; None where it has not."""
    flow = run.flow
    output = getattr(flow, "output", None)
    if output is None:
        return None
    store.connect()
    done = {"uuid": output.uuid, "output.stop_reason": {"$exists": True, "$ne": None}}
    if store.query_one(done, ["uuid"]) is None:
        return None
    return Campaign.from_store(store, output.uuid)


def _describe(run: ResumableRun, description: dict[str, Any]) -> None:
    """Write down what a run is asked for, before it starts."""
    path = run.folder / _DESCRIPTION
    if not run.started:
        write_whole(path, json.dumps(description, indent=1))


def _description(run: ResumableRun) -> dict[str, Any]:
    """Read what a run was asked for: where it does not say, from its loop's job."""
    try:
        found: dict[str, Any] = json.loads((run.folder / _DESCRIPTION).read_bytes())
    except (FileNotFoundError, ValueError):
        loops = [job.maker for job in jobs_of(run.flow)]
        [campaign] = [loop.campaign for loop in loops if isinstance(loop, LoopMaker)]
        return {"maker": described(campaign, {})["maker"]}
    return found


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
    say(console, ("Stopped", "bold"), f", {doc.stop_reason}")
    for what, path in places.items():
        say(console, f"  {what:12} {path}")


def _number(run: Path) -> int:
    """Order run, run-2, ..., run-10."""
    return int(run.name.partition("-")[2] or 1)
