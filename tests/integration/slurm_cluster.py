"""
Slurm on this machine alone: munged, slurmctld and slurmd, run by hand.

Any user can do this: all three run as that user, and so do the jobs.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
_START_SECONDS = 60

_CONFIG = """
ClusterName=flowpot
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
"""


def missing_for_slurm() -> str | None:
    """Say why there can be no cluster here, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    return None


class OneNodeSlurm:
    """
    A cluster of this machine.

    Parameters
    ----------
    folder
        For configuration, logs and state.
    cpus
        That Slurm takes the machine to have: more than there are is fine.
    """

    def __init__(self, folder: Path, cpus: int = 4) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._daemons: list[subprocess.Popen] = []
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o400)
        self.config.write_text(
            _CONFIG.format(
                host=socket.gethostname().split(".")[0],
                ports=[_free_port(), _free_port()],
                folder=folder,
                user=self.user,
                cpus=cpus,
            )
        )

    def start(self) -> None:
        """Start the daemons, and wait until the node takes jobs."""
        munge = {name: self.folder / f"munge.{name}" for name in ("key", "seed", "log")}
        self._run(
            *("munged", "--foreground", "--force", f"--key-file={munge['key']}"),
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munge.pid",
            f"--log-file={munge['log']}",
            f"--seed-file={munge['seed']}",
        )
        self._wait_for((self.folder / "munge.socket").exists)
        self._run("slurmctld", "-D", "-f", str(self.config))
        self._run("slurmd", "-D", "-f", str(self.config))
        self._wait_for(lambda: self.command("sinfo", "-h", "-o", "%T") == "idle")

    def command(self, *arguments: str) -> str:
        """Run one of Slurm's commands, and give what it prints."""
        done = subprocess.run(
            arguments,
            env=os.environ | {"SLURM_CONF": str(self.config)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def completed(self) -> list[dict[str, str]]:
        """List the finished jobs, each with what it had been given."""
        path = self.folder / "completed"
        lines = path.read_text().splitlines() if path.exists() else []
        return [
            dict(entry.split("=", 1) for entry in line.split() if "=" in entry)
            for line in lines
        ]

    def stop(self) -> None:
        """End jobs and daemons."""
        self.command("scancel", f"--user={self.user}")
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _run(self, program: str, *arguments: str) -> None:
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        with (self.folder / f"{program}.out").open("wb") as out:
            daemon = subprocess.Popen(
                [path, *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._daemons.append(daemon)

    def _wait_for(self, condition) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            if time.monotonic() > deadline or any(
                daemon.poll() is not None for daemon in self._daemons
            ):
                logs = [path.read_text() for path in self.folder.glob("*.out")]
                raise RuntimeError("Slurm did not start:\n" + "\n".join(logs))
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
