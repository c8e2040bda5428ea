"""jobflow-remote's runner as a process that tests start, watch and kill."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from jobflow_remote.jobs.state import RUNNING_STATES, JobState

_SETTLE_SECONDS = 5
ACTIVE = {JobState.READY, *RUNNING_STATES}


class RemoteRunner:
    """
    The runner of a project, and its `jf` command.

    Parameters
    ----------
    project
        jobflow-remote's.
    """

    def __init__(self, project) -> None:
        self.project = project
        self.controller = project.get_job_controller()
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start `jf runner run`, in a session of its own."""
        self.process = subprocess.Popen(
            ["jf", "runner", "run"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """Kill the runner alone: the jobs that it started live on."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def jf(self, *arguments: str) -> str:
        """Run `jf`, as a user does."""
        done = subprocess.run(
            ["jf", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def jobs(self, name: str, *states: JobState) -> list:
        """List the jobs of a name, in some states."""
        return self.controller.get_jobs_info(name=name, states=list(states) or None)

    def states(self) -> Counter:
        """Count the jobs by state."""
        return Counter(info.state for info in self.controller.get_jobs_info())

    def wait_for(
        self, condition: Callable[[], object], seconds: float = 2400
    ) -> object:
        """Wait until something is true, and give it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.2)
        raise TimeoutError(f"{condition.__name__}: not within {seconds} s")

    def finish(self, seconds: float = 2400) -> Counter:
        """
        Wait until the runner has nothing left to do, and give the jobs' states.

        It marks a job as finished some time before it readies the next ones.
        """

        def idle() -> bool:
            return not ACTIVE & set(self.states())

        def settled() -> bool:
            return idle() and not time.sleep(_SETTLE_SECONDS) and idle()

        self.wait_for(settled, seconds)
        return self.states()

    def kill_worker(self, info) -> None:
        """Kill the process of a job and all that it started."""
        doomed = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(info.run_dir) in " ".join(process.cmdline()):
                    doomed += [process, *process.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def kill_project(folder: Path) -> None:
    """Kill all that was started for a project: runner, daemon, and jobs."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("JFREMOTE_PROJECTS_FOLDER") == str(folder):
                process.kill()
