"""Running pw.x in a folder."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from threading import Event

from flowpot.labelling.espresso.command import PwCommand
from flowpot.labelling.espresso.namelists import INPUT_FILE
from flowpot.processes import Command, Ended, run

OUTPUT_FILE = "pw.out"
ERROR_FILE = "pw.err"


def run_pw(
    folder: Path,
    argv: list[str],
    *,
    timeout: float | None = None,
    stop: Event | None = None,
    watch: Callable[[], bool] | None = None,
) -> Ended:
    """
    Run pw.x in a folder and wait for it.

    Parameters
    ----------
    folder
        Where the input file is and the output goes. The current folder of this process
        plays no part, so threads may run several at once.
    argv
        The command in words, without the input file.
    timeout, stop, watch
        See :func:`flowpot.processes.run`.
    """
    output, errors = folder / OUTPUT_FILE, folder / ERROR_FILE
    for path in (output, errors):
        path.write_bytes(b"")
    line = PwCommand(shlex.join(argv))
    command = Command(
        [*argv, "-in", INPUT_FILE], folder, output, errors, _environment(line)
    )
    return run(command, timeout=timeout, stop=stop, watch=watch)


def _environment(command: PwCommand) -> dict[str, str]:
    """
    Return what pw.x's environment gets: one thread, and no search for a network.

    Only where it has nothing of its own, and only of a pw.x that is started here: a
    site's script, or a container, knows its machine. A serial pw.x linked to Open MPI
    spends 0.3 s on looking for transports and for a daemon of its own; these settings,
    which other MPIs ignore, reduce that to 0.03 s.
    """
    wanted = {}
    if command.is_plain or command.launcher:
        wanted["OMP_NUM_THREADS"] = "1"
    if command.is_plain:
        wanted["OMPI_MCA_ess_singleton_isolated"] = "1"
        wanted["OMPI_MCA_pml"] = "ob1"
        wanted["OMPI_MCA_btl"] = "self"
    return {name: value for name, value in wanted.items() if name not in os.environ}
