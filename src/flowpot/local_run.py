"""A campaign in a folder of this machine, from start or interruption to results."""

import os
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobflow import Flow, JobStore
from rich.console import Console

from flowpot.campaign.local.guards import locked
from flowpot.campaign.local.identity import (
    described,
    differences,
    read_description,
    write_description,
)
from flowpot.campaign.local.run import ResumableRun
from flowpot.campaign.local.stores import embedded_store
from flowpot.campaign.makers import ActiveLearningMaker
from flowpot.campaign.reading import Campaign
from flowpot.campaign.reading.documents import COMMAND
from flowpot.console import say
from flowpot.jobs import JobName
from flowpot.report.html import write_results
from flowpot.report.progress import ProgressLog
from flowpot.report.status import say_verdict
from flowpot.report.table import print_campaign
from flowpot.report.verdicts import verdict
from flowpot.settings import get_settings

_RUN = re.compile(r"run(?:-([2-9]|[1-9]\d+))?")
"""Names of the folders of a campaign's runs: others are the user's own."""
_CACHES = {"LABEL_CACHE": "labels", "TRAINING_CACHE": "trainings"}
"""Settings, and folders in that of the campaign, used where a setting has no value."""


def run_in_folder(
    maker: ActiveLearningMaker,
    inputs: dict[str, Any],
    folder: Path,
    console: Console,
    *,
    go_on: bool = False,
    command: str | None = None,
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
        Folder of the campaign: ``results/``, the database in ``store/``, the jobs'
        folders in ``run/``, of a continued campaign also in ``run-2/`` and so on;
        ``labels/`` and ``trainings/`` keep what a killed job had finished.
    console
        Console to print on.
    go_on
        Whether to continue the campaign that has ended in this folder, with this
        Maker's stages and limits.
    command
        The command that asks for this, which the verdict repeats; None: Python does.

    Raises
    ------
    ValueError
        If there is no campaign to continue, or if the folder holds another one than is
        asked for.
    FolderInUseError
        If another process runs in this folder.
    RuntimeError
        If the campaign's own job failed.
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
        write_description(run, described(maker, inputs))
        with _caches(folder):
            flow = run.run(None if run.started else _started(maker, given, command))
        campaign = _result(run, flow)
        _show(campaign, folder, console)
    say(console, (f"{time.monotonic() - began:.0f} s", "dim"))
    return campaign


def _started(
    maker: ActiveLearningMaker, given: dict[str, Any], command: str | None
) -> Flow:
    """Return the campaign's Flow, whose first jobs know the command behind them."""
    flow = maker.make(**given)
    if command is not None:
        flow.update_metadata({COMMAND: command}, dynamic=False)
    return flow


def _result(run: ResumableRun, flow: Flow) -> Campaign:
    """
    Return the campaign that a run has left in the store.

    Raises
    ------
    RuntimeError
        If its loop's job failed, which would have written the result: why it did.
    """
    try:
        return Campaign.from_store(run.store, flow.output.uuid)
    except LookupError as error:
        if (reason := run.failures.get(flow.output.uuid)) is None:
            raise
        raise RuntimeError(
            f"the job {JobName.LOOP.value!r} failed, so there is no result: {reason}; "
            f"mend this and run again (its traceback is in {run.folder / 'jobs'})"
        ) from error


def _chosen(
    maker: ActiveLearningMaker,
    inputs: dict[str, Any],
    folder: Path,
    store: JobStore,
    *,
    go_on: bool,
) -> tuple[ResumableRun, dict[str, Any]]:
    """Return the run to start or to take up, and the arguments of ``make``."""
    runs = {
        number: run
        for number, path in _run_folders(folder).items()
        if (run := ResumableRun(path, store)).started
    }
    if not runs:
        if go_on:
            raise ValueError(f"{folder} holds no campaign to continue: start one there")
        return ResumableRun(folder / "run", store), inputs
    number = max(runs)
    last = runs[number]
    ended = _ended(last, store)
    if go_on and ended is not None:
        following = ResumableRun(folder / f"run-{number + 1}", store)
        return following, {"campaign": ended}
    changes = differences(read_description(last), described(maker, inputs))
    if changes:
        remedy = (
            "give --continue to go on with it under the new settings"
            if ended is not None
            else "undo the changes to take it up (once it has ended, --continue goes "
            "on under new settings)"
        )
        raise ValueError(
            f"{folder} holds another campaign than the one asked for: "
            f"{changes}. Run in another folder (--folder), or {remedy}"
        )
    return last, inputs


def _run_folders(folder: Path) -> dict[int, Path]:
    """Return the folders ``run``, ``run-2``, ..., ``run-10`` by their numbers."""
    names = {path: _RUN.fullmatch(path.name) for path in folder.glob("run*")}
    return {int(name[1] or 1): path for path, name in names.items() if name}


def _ended(run: ResumableRun, store: JobStore) -> Campaign | None:
    """Return the campaign of a run, None where it has not ended."""
    flow = run.flow
    output = getattr(flow, "output", None)
    if output is None:
        return None
    store.connect()
    done = {"uuid": output.uuid, "output.stop_reason": {"$exists": True, "$ne": None}}
    if store.query_one(done, ["uuid"]) is None:
        return None
    return Campaign.from_store(store, output.uuid)


@contextmanager
def _caches(folder: Path) -> Iterator[None]:
    """Keep finished labels and unfinished trainings in a folder, unless settings do."""
    settings = get_settings()
    variables = {
        f"FLOWPOT_{name}": str(folder / place)
        for name, place in _CACHES.items()
        if getattr(settings, name) is None
    }
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _show(campaign: Campaign, folder: Path, console: Console) -> None:
    doc = campaign.doc
    where = f"--store {shlex.quote(str(folder / 'store'))}"
    places = {"database": folder / "store"}
    if doc.committee is not None and doc.dataset:
        places = write_results(campaign, folder / "results", where=where) | places
    console.print()
    print_campaign(console, campaign.name, campaign.iteration_docs)
    say(console, ("Stopped", "bold"), f", {doc.stop_reason}")
    for what, path in places.items():
        say(console, f"  {what:12} {path}")
    say(console, "")
    say_verdict(console, verdict(campaign, where), doc.stop_reason)
