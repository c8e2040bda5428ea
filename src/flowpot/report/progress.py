"""Lines about each job of a campaign, while it runs."""

import time
from collections import Counter

from jobflow import Job, Response
from rich.console import Console

from flowpot.campaign.reading.status import time_left
from flowpot.console import say
from flowpot.documents import reason_of
from flowpot.jobs import jobs_of
from flowpot.report.wording import duration

_WORTH_SAYING = 20.0  # s; less is not announced


class ProgressLog:
    """
    Print a line for each job: its name, how many are done, time elapsed and left.

    Jobs are known when the campaign has appended them: the totals, and the estimate of
    the time left, are those of the present iteration. Jobs of a name are expected to
    take what those before them took, in this iteration or an earlier one. Hand its
    :meth:`watch` to :class:`flowpot.campaign.ResumableRun`.

    Parameters
    ----------
    console
        Console to print on.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.monotonic()
        self.total: Counter[tuple[int, str]] = Counter()
        self.done: Counter[tuple[int, str]] = Counter()
        self._started = self.began
        self._seconds: dict[tuple[int, str], list[float]] = {}

    def watch(self, event: str, job: Job, result: Response | Exception | None) -> None:
        """Count and print an event: see `flowpot.campaign.local.run.Watcher`."""
        key = (job.metadata.get("iteration", 0), job.name)
        if event == "lost":
            self._say(key, "runs again: record unreadable")
            return
        if event == "started":
            self._started = time.monotonic()
            self.total[key] = max(self.total[key], self.done[key] + 1)
            self._say(key, "...")
            return
        self.done[key] += 1
        self.total[key] = max(self.total[key], self.done[key])
        if isinstance(result, Response):
            for appended in jobs_of(result.replace):
                self.total[appended.metadata.get("iteration", 0), appended.name] += 1
        if event == "failed":
            why = reason_of(job.uuid) or repr(result)
            self._say(key, f"failed: {why}", style="red")
        elif event == "finished":
            taken = time.monotonic() - self._started
            self._seconds.setdefault(key, []).append(taken)
            output = getattr(result, "output", None)
            failure = output.get("failure") if isinstance(output, dict) else None
            if failure:
                self._say(key, f"failed: {failure}", style="red")
            else:
                self._say(key, "done")

    def remaining(self, iteration: int) -> float:
        """Estimate what the known and expected jobs of an iteration still take (s)."""
        before = {n: s for (i, n), s in self._seconds.items() if 0 < i < iteration}
        names = {name for i, name in self.total if i == iteration} | before.keys()
        left = 0.0
        for name in names:
            key = (iteration, name)
            taken = self._seconds.get(key) or before.get(name, [])
            pending = self.total[key] - self.done[key]
            expected = pending if self.total[key] else len(taken)
            n = len(taken)
            left += time_left(n, n + expected, sum(taken)) or 0.0
        return left

    def _say(self, key: tuple[int, str], state: str, style: str = "") -> None:
        iteration, name = key
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        where = f"iteration {iteration}" if iteration else "start"
        number = self.done[key] + (state == "...")
        left = self.remaining(iteration)
        if left >= _WORTH_SAYING and state == "done":
            state += f", about {duration(left)} left"
        say(
            self.console,
            (f"{minutes:3d}:{seconds:02d}", "dim"),
            f"  {where:12} {name:20} {number} of {self.total[key]}  ",
            (state, style),
        )
