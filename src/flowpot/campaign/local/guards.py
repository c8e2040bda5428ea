"""Guards of a local run: one process in a folder, and an orderly end by signals."""

import fcntl
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType

LOCK_FILE = "lock"
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_SHELL_SIGNAL = 128  # shells report 128 + the signal


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


class StoppedBySignal(KeyboardInterrupt):
    """
    Raised where the process is told to stop by another signal than Ctrl-C's.

    Attributes
    ----------
    signal
        The signal.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")


def exit_code(interruption: KeyboardInterrupt) -> int:
    """Return the exit status of an interrupted process, as shells have it."""
    if isinstance(interruption, StoppedBySignal):
        return _SHELL_SIGNAL + interruption.signal
    return _SHELL_SIGNAL + signal.SIGINT


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """
    Let SIGTERM and SIGHUP end the block as Ctrl-C does: child programs are ended too.

    Slurm sends SIGTERM when a job's time is up, and SIGKILL half a minute later.
    Signals that this process ignores (under ``nohup``) or handles itself are left as
    they are, and so are those of any thread but Python's main one.

    Raises
    ------
    StoppedBySignal
        From within the block, when such a signal comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in _SIGNALS if signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _: FrameType | None) -> None:
    """Raise once: a second signal is not to interrupt the clean-up."""
    signal.signal(number, signal.SIG_IGN)
    raise StoppedBySignal(number)
