"""Signals by which a queue at the walltime, or a closing terminal, ends a process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_SHELL_SIGNAL = 128  # shells report 128 + the signal


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
