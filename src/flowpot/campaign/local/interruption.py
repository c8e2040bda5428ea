"""Being told to stop: by a queue's walltime, or by a terminal that closes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_SHELL_SIGNAL = 128  # shells report 128 + the signal


class StoppedBySignal(KeyboardInterrupt):
    """
    The process was told to stop by another signal than Ctrl-C's.

    Attributes
    ----------
    signal
        Which one.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")


def exit_code(interruption: KeyboardInterrupt) -> int:
    """Return the exit status that shells give a process that was so interrupted."""
    if isinstance(interruption, StoppedBySignal):
        return _SHELL_SIGNAL + interruption.signal
    return _SHELL_SIGNAL + signal.SIGINT


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """
    Let SIGTERM and SIGHUP end the block as Ctrl-C does: child programs are ended too.

    Slurm sends SIGTERM when a job's time is up, and SIGKILL half a minute later.
    Signals that this process ignores (under ``nohup``) or handles itself stay so; and
    only Python's main thread receives signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


def _stop(number: int, _: FrameType | None) -> None:
    """Stop once: what is ended on the way out is not to be interrupted again."""
    signal.signal(number, signal.SIG_IGN)
    raise StoppedBySignal(number)
