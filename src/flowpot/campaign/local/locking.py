"""One process at a time in the folder of a run."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

LOCK_FILE = "lock"


class FolderInUseError(RuntimeError):
    """Raised where another process runs in the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Lock a folder until the block is left or this process dies.

    Parameters
    ----------
    folder
        Folder to lock, made if it does not exist. Its file ``lock`` says which process
        holds it.

    Raises
    ------
    FolderInUseError
        If another process holds it, with its id, its host, and since when.

    Notes
    -----
    The lock is the operating system's (``flock``), which a killed process loses. A
    network file system must support it; NFS since version 4 and Lustre mounted with
    ``flock`` do, also between hosts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise FolderInUseError(_refusal(folder, file.read())) from None
        file.truncate(0)
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        }
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # the file stays: another process may have opened it


def _refusal(folder: Path, description: str) -> str:
    """Say which process holds the folder, and what to do."""
    who = "another process"
    with suppress(ValueError, KeyError, TypeError):  # it is just being written
        holder = json.loads(description)
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    return (
        f"{folder} is in use by {who}: wait until that run has ended, stop it, or use "
        "another folder"
    )
