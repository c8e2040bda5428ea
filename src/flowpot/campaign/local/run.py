"""
Run a Flow in this process, so that an interrupted run can be resumed.

jobflow's ``run_locally`` keeps the outputs of finished jobs in the store but forgets
which jobs those were, and which jobs a dynamic one had appended. Here each job's
response is written to a file as soon as it is there. In a resumed run, a job with a
recorded response returns it instead of running again.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from jobflow import Flow, Job, JobStore, Response, run_locally
from monty.json import MontyDecoder, MontyEncoder

from flowpot.campaign.local.folders import (
    last_number,
    name_folder,
    remove_empty_folders,
)
from flowpot.campaign.local.guards import locked, stopped_by_signals
from flowpot.campaign.local.stores import complete_jobs
from flowpot.dataset.io.checksum import checked_text, sealed_text
from flowpot.dataset.storage import write_whole
from flowpot.dataset.where import Where
from flowpot.documents import keep_traceback, local_failures, reason_for
from flowpot.jobs import jobs_of

_KEPT = ("replace", "detour", "addition", "stop_children", "stop_jobflow")
"""Fields of a response that are recorded; its output is in the store already."""

_LEAST_FREE = 1_000_000  # bytes: with less, a job fails because the disk is full

Watcher = Callable[[str, Job, Response | Exception | None], None]
"""
Called with an event, the job, and its result.

``"started"``: no result yet. ``"finished"``, and ``"reused"`` in a resumed run: the
response. ``"failed"``: the exception. ``"lost"``: no result; the job had finished, but
its record or its output has become unreadable, and it runs again.
"""


class ResumableRun:
    """
    A Flow on its way through ``run_locally``, with its responses on disk.

    Parameters
    ----------
    folder
        Folder of the run: ``flow.json``, ``responses/`` and, in ``jobs/``, the jobs'
        folders, called ``0012_iteration-1_qe-static`` and the like.
    store
        JobStore of the outputs. A run can be resumed only if it outlives the process.
    watch
        Called as each job starts and ends.
    """

    def __init__(
        self, folder: Path, store: JobStore, watch: Watcher | None = None
    ) -> None:
        self.folder = Path(folder).absolute()  # jobs run in folders of their own
        self.store = store
        self.watch = watch or (lambda *_: None)
        self._stored: set[tuple[str, int]] = set()
        self._reasons: dict[str, str] = {}
        self._numbers = count(1)

    @property
    def flow(self) -> Flow | None:
        """The Flow in this folder; None if there is none, or it cannot be read."""
        return _read_json(self.folder / "flow.json")

    @property
    def started(self) -> bool:
        """Whether there is a run to resume."""
        return _read_text(self.folder / "flow.json") is not None

    @property
    def failures(self) -> dict[str, str]:
        """Why jobs failed in the latest call of :meth:`run`, by their uuids."""
        return dict(self._reasons)

    def run(self, flow: Flow | None = None) -> Flow:
        """
        Run a Flow, or resume the one in this folder.

        Parameters
        ----------
        flow
            Flow to start; ignored when the folder holds one.

        Returns
        -------
        Flow
            The Flow that ran: its output is in the store.

        Raises
        ------
        ValueError
            If there is no Flow to start, and none to resume.
        FolderInUseError
            If another process runs in this folder.
        SystemExit
            If the disk is full: the run can be resumed when there is space again.
        StoppedBySignal
            If the process was told to end: the run can be resumed.
        """
        jobs = self.folder / "jobs"
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder))
            stack.enter_context(stopped_by_signals())
            self._reasons = stack.enter_context(local_failures())
            stack.callback(remove_empty_folders, jobs)
            self._numbers = count(last_number(jobs) + 1)
            resumable = self._begin(flow)
            run_locally(
                resumable,
                store=self.store,
                root_dir=jobs,
                create_folders=True,
                log=False,
            )
        return resumable

    def _begin(self, flow: Flow | None) -> Flow:
        """Read the Flow from the folder, after writing it there in a new run."""
        (self.folder / "responses").mkdir(exist_ok=True)
        path = self.folder / "flow.json"
        if not self.started:
            if flow is None:
                raise ValueError(f"{path} has no run to take up: give a Flow to start")
            _write_json(path, flow)
        self.store.connect()
        records = (self.folder / "responses").glob("*.json")
        uuids = [record.stem.rpartition("-")[0] for record in records]
        self._stored = complete_jobs(self.store, uuids) if uuids else set()
        resumable = _read_json(path)
        self._prepare(resumable)
        return resumable

    def _prepare(self, flow: Any) -> None:
        """Let jobs look for their recorded responses before they run."""
        for job in jobs_of(flow):
            job.__dict__["run"] = _Resumed(job, self)

    def _record(self, job: Job) -> Path:
        return self.folder / "responses" / f"{job.uuid}-{job.index}.json"

    def _recorded(self, job: Job) -> Response | None:
        """Return a job's recorded response, if that and its output are still there."""
        path = self._record(job)
        record = _read_json(path)
        if record is not None and (job.uuid, job.index) in self._stored:
            return Response(**record)
        if path.exists():
            self.watch("lost", job, None)
        return None


class _Resumed:
    """Replaces ``Job.run``: runs the job unless its response is recorded."""

    def __init__(self, job: Job, run: ResumableRun) -> None:
        self.job = job
        self.owner = run

    def __call__(self, store: JobStore, job_dir: Any = None) -> Response:
        job, owner = self.job, self.owner
        response = owner._recorded(job)  # noqa: SLF001 - a part of ResumableRun
        if response is not None:
            owner.watch("reused", job, response)
        else:
            response = self._run(store, job_dir)
        for appended in (response.replace, response.detour, response.addition):
            owner._prepare(appended)  # noqa: SLF001
        return response

    def _run(self, store: JobStore, job_dir: Any) -> Response:
        job, owner = self.job, self.owner
        owner.watch("started", job, None)
        name_folder(Path.cwd(), next(owner._numbers), job)  # noqa: SLF001
        try:
            response = type(job).run(job, store, job_dir)
        except Exception as error:
            _check_space(owner.folder)
            owner._reasons[job.uuid] = reason_for(error)  # noqa: SLF001
            keep_traceback(error)
            owner.watch("failed", job, error)
            raise
        finally:
            _check_space(owner.folder)
        record = {name: getattr(response, name) for name in _KEPT}
        _write_json(owner._record(job), record)  # noqa: SLF001
        owner.watch("finished", job, response)
        return response


def _check_space(folder: Path) -> None:
    """
    End the process on a full disk: a job that fails for it is to run again.

    It raises SystemExit, since jobflow catches any Exception and goes on.
    """
    if shutil.disk_usage(folder).free < _LEAST_FREE:
        raise SystemExit(
            f"the disk of {folder} is full: make space and run again; finished jobs "
            "are kept"
        )


def _write_json(path: Path, item: Any) -> None:
    write_whole(path, sealed_text(json.dumps(item, cls=MontyEncoder)))


def _read_json(path: Path) -> Any:
    """Read a file that `_write_json` wrote; None where it is missing or damaged."""
    text = _read_text(path)
    return None if text is None else json.loads(text, cls=MontyDecoder)


def _read_text(path: Path) -> str | None:
    """
    Read a JSON file as text; None where it is missing or damaged.

    A file that an interrupted write has cut or filled with zeros is not JSON. Any other
    damage shows in the checksum.
    """
    try:
        text = checked_text(path.read_text(encoding="utf-8"), Where(str(path)))
        json.loads(text)
    except (FileNotFoundError, ValueError):
        return None
    return text
