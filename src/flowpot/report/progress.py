"""Tell people how far a campaign is, while it runs."""

import time
from collections import Counter

from jobflow import Job, Response
from rich.console import Console

from flowpot.jobs import jobs_of


class ProgressLog:
    """
    Print a line for each job: stage, jobs done of those known, time elapsed.

    Jobs appear as the campaign appends them, so the total is of the present
    iteration. Hand its :meth:`watch` to :class:`flowpot.campaign.ResumableRun`.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.monotonic()
        self.total: Counter[tuple[int, str]] = Counter()
        self.done: Counter[tuple[int, str]] = Counter()
        self.reused = 0

    def watch(self, event: str, job: Job, response: Response | None) -> None:
        """Take in that a job ``started``, ``finished`` or was ``reused``."""
        key = (job.metadata.get("iteration", 0), job.name)
        if event == "started":
            self.total[key] = max(self.total[key], self.done[key] + 1)
            self._say(key, "...")
            return
        self.done[key] += 1
        self.total[key] = max(self.total[key], self.done[key])
        self._expect(response)
        if event == "reused":
            self.reused += 1
        else:
            self._say(key, "done")

    def _expect(self, response: Response | None) -> None:
        """Count the jobs that a dynamic job has appended."""
        for job in jobs_of(response.replace if response else None):
            self.total[job.metadata.get("iteration", 0), job.name] += 1

    def _say(self, key: tuple[int, str], state: str) -> None:
        iteration, name = key
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        turn = f"iteration {iteration}" if iteration else "start"
        at = self.done[key] + (state != "done")
        self.console.print(
            f"[dim]{minutes:3d}:{seconds:02d}[/]  {turn:12} {name:20} "
            f"{at} of {self.total[key]}  {state}",
            highlight=False,
        )
