"""Folders of the jobs of a local run, by whose names a person finds a job."""

import re
from pathlib import Path

from jobflow import Job

_LONGEST = 40  # characters of a job's name
_NUMBERED = re.compile(r"(\d+)_")


def name_folder(folder: Path, number: int, job: Job) -> Path:
    """
    Rename the folder of a job that is about to run, and return it.

    Parameters
    ----------
    folder
        Folder that jobflow has made for the job.
    number
        Number of the job, in the order in which jobs of this run have started.
    job
        The job.

    Returns
    -------
    Path
        For example ``0012_iteration-1_qe-static``: the number, the iteration (of jobs
        that belong to none, ``start``), and the job's name.
    """
    iteration = job.metadata.get("iteration")
    when = f"iteration-{iteration}" if iteration else "start"
    name = f"{number:04d}_{_plain(when)}_{_plain(job.name) or 'job'}"
    return folder.rename(folder.with_name(name))


def last_number(root: Path) -> int:
    """Return the largest number of a job's folder; 0 if none has one."""
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    numbers = [_NUMBERED.match(name) for name in names]
    return max((int(found[1]) for found in numbers if found), default=0)


def remove_empty_folders(root: Path) -> None:
    """Remove the folders of jobs that did not run again, or have left nothing."""
    for folder in root.iterdir() if root.is_dir() else ():
        named = folder.name.startswith("job_") or _NUMBERED.match(folder.name)
        if named and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _plain(text: str) -> str:
    """Keep what every file system and shell takes as it is."""
    return re.sub(r"[^A-Za-z0-9.+_]+", "-", text)[:_LONGEST].strip("-.")
