"""What jobflow-remote's queue knows of a campaign's jobs."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flowpot.campaign.reading.results import COLUMNS
from flowpot.campaign.reading.status import CampaignStatus, StageStatus

_AT_WORK = {
    *("CHECKED_OUT", "UPLOADED", "SUBMITTED", "RUNNING", "RUN_FINISHED"),
    *("DOWNLOADED", "BATCH_SUBMITTED", "BATCH_RUNNING"),
}
_TO_COME = {*_AT_WORK, "WAITING", "READY"}
_FAILED = {"FAILED", "REMOTE_ERROR"}


def queued_jobs(queue: Any, status: CampaignStatus) -> list[Any]:
    """
    Ask the queue for the jobs of a campaign's present iteration.

    Parameters
    ----------
    queue
        JobController of the project.
    status
        Status of the campaign.

    Returns
    -------
    list of JobInfo
    """
    tags = {"campaign_uuid": status.uuid, "iteration": status.iteration}
    return queue.get_jobs_info(metadata=tags)


def is_waiting(queue: Any, name: str | None) -> bool:
    """
    Return whether a campaign that is in no store yet waits in the queue, or runs.

    Parameters
    ----------
    queue
        JobController of the project.
    name
        Name or uuid of the campaign; None for any.
    """
    tags = ({"campaign": name}, {"campaign_uuid": name}) if name else ({},)
    jobs = [job for tag in tags for job in queue.get_jobs_info(metadata=tag or None)]
    states = {job.state.value for job in jobs if "campaign" in job.metadata}
    return bool(states & _TO_COME) and not states & _FAILED


def with_queue(status: CampaignStatus, jobs: Iterable[Any]) -> CampaignStatus:
    """Return a campaign's status with the numbers of jobs at work and failed ones."""
    states: dict[str, list[str]] = {}
    for job in jobs:
        states.setdefault(job.metadata.get("stage"), []).append(job.state.value)

    def counted(stage: StageStatus) -> StageStatus:
        if stage.iteration != status.iteration:
            return stage
        of_stage = states.get(stage.stage, [])
        return replace(
            stage,
            running=sum(state in _AT_WORK for state in of_stage),
            failed=sum(state in _FAILED for state in of_stage),
        )

    return replace(status, stages=[counted(stage) for stage in status.stages])


def failed_jobs(jobs: Iterable[Any]) -> list[dict[str, Any]]:
    """List the jobs that failed, as :attr:`Campaign.failures` lists frames."""
    failures = []
    for job in jobs:
        if job.state.value not in _FAILED:
            continue
        error = job.error or (job.remote.error if job.remote else None)
        row = (
            job.metadata.get("iteration", 0),
            job.metadata.get("stage"),
            f"job {job.name} ({job.db_id})",
            (error or "no reason given").strip().splitlines()[-1],
            job.run_dir,
            job.uuid,
        )
        failures.append(dict(zip(COLUMNS, row, strict=True)))
    return failures
