"""The store, and the queue, that a command reads."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

_PATIENCE_MS = 5000
"""Milliseconds to wait for a database."""

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="File with the specification of a JobStore, as jobflow reads it, or the "
        "folder of an embedded store. Else jobflow's own: JOBFLOW_CONFIG_FILE.",
    ),
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project", help="Project of jobflow-remote: its JobStore and its queue."
    ),
]
NameArgument = Annotated[
    str | None, typer.Argument(help="Name or uuid of a campaign; else the latest.")
]


def open_store(
    context: typer.Context,
    store: Path | None,
    project: str | None,
    *,
    needs_data: bool = True,
) -> tuple[Any, Any]:
    """
    Open the JobStore that `--store` or `--project` names.

    Under `jf flowpot` the project is the one that `jf` has selected.

    Parameters
    ----------
    context
        The command's context.
    store, project
        Values of both options.
    needs_data
        Whether a store without the additional store `data` is an error.

    Returns
    -------
    JobStore
        Connected.
    JobController or None
        Queue of the project; None without a project.

    Raises
    ------
    ValueError
        If both are given, there is no such file, embedded store or project, or the
        store lacks the additional store `data` (unless `needs_data` is False).
    """
    from jobflow import SETTINGS  # noqa: PLC0415

    from flowpot.campaign.local.stores import store_at  # noqa: PLC0415

    if store is not None and project is not None:
        raise ValueError("--store and --project are two places to look: give one")
    opened: Any
    queue: Any = None
    if store is not None:
        opened = store_at(store, "--store")
    elif project is not None or context.obj == "jf":
        opened, queue = open_project(project)
    else:
        opened = SETTINGS.JOB_STORE
    if needs_data and "data" not in opened.additional_stores:
        if store is None and project is None and context.obj != "jf":
            raise ValueError(_nothing_given())
        raise ValueError(
            f"the store {str(store or project or 'of the project')!r} has no "
            "additional store `data`, where flowpot keeps frames and models: add one "
            "to `additional_stores` in its specification"
        )
    _be_quick(opened.docs_store, *opened.additional_stores.values())
    opened.connect()
    opened.query_one({"uuid": ""}, ["uuid"])  # raises what is wrong with the database
    return opened, queue


def where_of(store: Path | None, project: str | None) -> str:
    """Return the option by which other commands find the same store; "" for none."""
    if store is not None:
        return f"--store {shlex.quote(str(store.absolute()))}"
    return "" if project is None else f"--project {shlex.quote(project)}"


def _nothing_given() -> str:
    """Say where campaigns may be, when neither a command nor jobflow's settings do."""
    from flowpot.campaign.local.stores import embedded_in  # noqa: PLC0415

    here = [store.relative_to(Path.cwd()) for store in embedded_in(Path.cwd())]
    quoted = [shlex.quote(str(store)) for store in here]
    found = f" (here: {', '.join(quoted)})" if quoted else ""
    return (
        "where is the campaign? Give `--store FOLDER/store` for one that ran here"
        f"{found}, `--project NAME` for one of jobflow-remote's project, or set "
        "JOBFLOW_CONFIG_FILE to jobflow's settings with a JOB_STORE that has the "
        "additional store `data`"
    )


def _be_quick(*stores: Any) -> None:
    """Let stores wait seconds, not half a minute, for a database that is down."""
    for store in stores:
        options = getattr(store, "mongoclient_kwargs", None)
        if options is not None:
            options.setdefault("serverSelectionTimeoutMS", _PATIENCE_MS)
        if (index := getattr(store, "index", None)) is not None:  # of an object store
            _be_quick(index)


def open_project(name: str | None) -> tuple[Any, Any]:
    """
    Open the JobStore and the queue of a project of jobflow-remote.

    Raises
    ------
    ValueError
        If there is no such project.
    """
    from jobflow_remote.config import ConfigError, ConfigManager  # noqa: PLC0415
    from jobflow_remote.jobs.jobcontroller import JobController  # noqa: PLC0415

    try:
        project = ConfigManager().get_project(name)
    except ConfigError as error:
        known = ", ".join(ConfigManager().projects_data)
        remedy = (
            f"give --project one of {known}"
            if known
            else "jobflow-remote has no project here. `flowpot init STRUCTURE "
            "--project ~/.jfremote/NAME.yaml` writes one, to be filled in (tutorial 3)"
        )
        raise ValueError(
            f"--project is {name!r}: {remedy} ({error}; see `jf project list`)"
        ) from error
    queue_store = project.get_queue_store()
    jobstore: Any = project.get_jobstore()
    _be_quick(queue_store, jobstore.docs_store, *jobstore.additional_stores.values())
    controller = JobController(
        queue_store=queue_store,
        jobstore=jobstore,
        flows_collection=project.queue.flows_collection,
        auxiliary_collection=project.queue.auxiliary_collection,
        batches_collection=project.queue.batches_collection,
        project=project,
    )
    return jobstore, controller
