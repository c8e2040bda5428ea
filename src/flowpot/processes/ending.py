"""
End all processes that a program has started.

This file is also a program of its own, which the watchdog of a killed process runs: it
must import nothing but Python's standard library.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE = 5.0
"""Seconds that a process has to end by itself after SIGTERM."""
MARK = "FLOWPOT_PROCESS"
"""Environment variable by which all that a program starts is recognised."""

_POLL = 0.02  # s between looks at whether a process has ended
_PROC = Path("/proc")


def end_marked(mark: str, session: int | None) -> None:
    """
    End all processes of a session or with a mark: by SIGTERM, then by SIGKILL.

    Parameters
    ----------
    mark
        Value of the environment variable that a program was started with.
    session
        Id of its session. None: the mark alone counts.
    """
    for how in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        left = _living(mark, session)
        for process in left:
            with suppress(OSError):  # it has ended in the meantime
                os.kill(process, how)
        while left and time.monotonic() < deadline:
            time.sleep(_POLL)
            left = _living(mark, session)
        if not left:
            return


def _living(mark: str, session: int | None) -> list[int]:
    """List the living processes that carry a mark or belong to a session."""
    if not (_PROC / "self" / "environ").exists():
        return _group(session)
    wanted = f"{MARK}={mark}".encode()
    living = []
    for name in os.listdir(_PROC):  # noqa: PTH208 - an order faster than Path.iterdir
        if not name.isdigit():
            continue
        with suppress(OSError):  # it has ended, or is another user's
            member = session is not None and os.getsid(int(name)) == session
            member = member or wanted in (_PROC / name / "environ").read_bytes()
            if member and _is_alive(name):
                living.append(int(name))
    return living


def _is_alive(name: str) -> bool:
    """Say whether a process is more than an entry that its parent has yet to read."""
    state = (_PROC / name / "stat").read_text().rpartition(")")[2].split()[0]
    return state not in ("Z", "X")


def _group(session: int | None) -> list[int]:
    """List the process group (as its negative id) where there is no ``/proc``."""
    if session is None:
        return []
    try:
        os.killpg(session, 0)
    except OSError:
        return []
    return [-session]


if __name__ == "__main__":
    end_marked(sys.argv[1], int(sys.argv[2]) if sys.argv[2] else None)
