"""What an interrupted run goes on from: its folder, in a file that can travel."""

import io
import zipfile
from pathlib import Path

from flowpot.dataset import Artifact
from flowpot.exploration.lammps.run import PLAN_FILE, WATCH_FILE
from flowpot.exploration.lammps.script import (
    DENSE_FILE,
    FRAMES_FILE,
    LOG_FILE,
    newest_restart,
)

CHECKPOINT_FILE = "checkpoint.zip"


def pack(folder: Path) -> Artifact:
    """
    Keep what a run needs to go on, on any machine.

    Parameters
    ----------
    folder
        Of the run, which has stopped.
    """
    names = [PLAN_FILE, FRAMES_FILE, DENSE_FILE, LOG_FILE, WATCH_FILE]
    restart = newest_restart(folder)
    names += [restart] if restart else []
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            if (folder / name).exists():
                # Without the time of writing: the same run is the same artifact.
                packed.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    return Artifact.from_bytes(CHECKPOINT_FILE, content.getvalue())


def unpack(checkpoint: Artifact, folder: Path) -> None:
    """Put an interrupted run into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(checkpoint.read_bytes())) as packed:
        for name in packed.namelist():
            (folder / Path(name).name).write_bytes(packed.read(name))
