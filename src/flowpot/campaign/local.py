"""
Run a Flow in this process, so that an interrupted run can be taken up again.

jobflow's ``run_locally`` keeps the outputs of finished jobs in the store but forgets
which jobs those were, and which jobs a dynamic one had appended. Here each job's
response is written beside the results as soon as it is there; taken up again, a job
with a recorded response hands it over instead of running.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobflow import Flow, Job, JobStore, Response, run_locally
from monty.json import MontyDecoder, MontyEncoder

from flowpot.jobs import jobs_of

_KEPT = ("replace", "detour", "addition", "stop_children", "stop_jobflow")
"""What is recorded of a response: its output is in the store already."""

_LEAST_FREE = 1_000_000  # bytes: with less, what failed did so for want of space

Watcher = Callable[[str, Job, Response | None], None]
"""Called with ``"started"``, ``"finished"`` or ``"reused"``, the job and response."""


class ResumableRun:
    """
    A Flow on its way through ``run_locally``, with its responses on disk.

    Parameters
    ----------
    folder
        Of the run: ``flow.json``, ``responses/`` and the jobs' folders in ``jobs/``.
    store
        JobStore of the outputs. It must outlive the process, or there is nothing to
        take up.
    watch
        Told of each job as it starts and ends.
    """

    def __init__(
        self, folder: Path, store: JobStore, watch: Watcher | None = None
    ) -> None:
        self.folder = Path(folder).absolute()  # jobs run in folders of their own
        self.store = store
        self.watch = watch or (lambda *_: None)

    @property
    def started(self) -> bool:
        """Whether there is a run to take up."""
        return (self.folder / "flow.json").exists()

    def run(self, flow: Flow | None = None) -> Flow:
        """
        Run a Flow, or take up the one that this folder holds.

        Parameters
        ----------
        flow
            To start; not looked at when the folder holds one.

        Returns
        -------
        Flow
            The one that ran: its output is in the store.

        Raises
        ------
        SystemExit
            If the disk is full: the run can be taken up when there is space again.
        """
        (self.folder / "responses").mkdir(parents=True, exist_ok=True)
        path = self.folder / "flow.json"
        if not self.started:
            _write_json(path, flow)
        flow = _read_json(path)
        self._prepare(flow)
        jobs = self.folder / "jobs"
        try:
            run_locally(
                flow, store=self.store, root_dir=jobs, create_folders=True, log=False
            )
        finally:
            _remove_empty_folders(jobs)
        return flow

    def _prepare(self, flow: Any) -> None:
        for job in jobs_of(flow):
            job.__dict__["run"] = _Resumed(job, self)


class _Resumed:
    """Stands in for ``Job.run``: runs the job once in the life of its folder."""

    def __init__(self, job: Job, run: ResumableRun) -> None:
        self.job = job
        self.owner = run

    def __call__(self, store: JobStore, job_dir: Any = None) -> Response:
        job, owner = self.job, self.owner
        path = owner.folder / "responses" / f"{job.uuid}-{job.index}.json"
        if path.exists():
            response = Response(**_read_json(path))
            owner.watch("reused", job, response)
        else:
            owner.watch("started", job, None)
            try:
                response = type(job).run(job, store, job_dir)
            finally:
                _check_space(owner.folder)
            _write_json(path, {name: getattr(response, name) for name in _KEPT})
            owner.watch("finished", job, response)
        for appended in (response.replace, response.detour, response.addition):
            owner._prepare(appended)  # noqa: SLF001 - the two halves of one thing
        return response


def _check_space(folder: Path) -> None:
    """
    End the process on a full disk, whose failures say nothing about the campaign.

    Not by an Exception: those jobflow notes, and goes on without the job.
    """
    if shutil.disk_usage(folder).free < _LEAST_FREE:
        raise SystemExit(
            f"the disk of {folder} is full: make space and run again; finished jobs "
            "are kept"
        )


def _write_json(path: Path, item: Any) -> None:
    """Write atomically: a file that is there is whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(item, cls=MontyEncoder))
    os.replace(part, path)  # noqa: PTH105 - Path.replace, said to be atomic on POSIX


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(), cls=MontyDecoder)


def _remove_empty_folders(root: Path) -> None:
    """``run_locally`` makes a folder also for a job that is not run again."""
    for folder in root.glob("job_*"):
        if not any(folder.iterdir()):
            folder.rmdir()
