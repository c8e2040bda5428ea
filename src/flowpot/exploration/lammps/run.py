"""The folder of a run: what the job writes for the driver, and what comes back."""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ase import Atoms
from monty.json import MSONable
from monty.serialization import dumpfn, loadfn

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.storage import write_whole
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.dispersion import Dispersion
from flowpot.exploration.lammps.script import (
    DENSE_FILE,
    FRAMES_FILE,
    LOG_FILE,
    newest_restart,
)
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sampling import Output
from flowpot.exploration.sanity import SanityLimits

PLAN_FILE = "run.json"
START_FILE = "start.h5"
RESULT_FILE = "result.json"
LIMIT_FILE = "seconds-left"
WATCH_FILE = "disagreement.jsonl"
CHECKPOINT_FILE = "checkpoint.zip"


@dataclass(frozen=True)
class Run(MSONable):
    """
    A trajectory that the driver is to run.

    Attributes
    ----------
    conditions, output, limits
        What is simulated, what is written, and beyond what limits it is halted.
    members
        Committee members, described by ``members.stage_member``.
    driving
        Index of the member whose forces move the atoms.
    check_interval
        Steps between evaluations of the whole committee. None: never.
    calibration
        ``flowpot.evaluation.Calibration`` of each property, as dictionaries.
    upper_factor
        Predicted error, in tolerances, at which the run is halted.
    walltime
        Seconds after which the run stops and can be resumed.
    dispersion
        Dispersion that LAMMPS adds to the potential.
    extra
        LAMMPS commands before the run.
    """

    conditions: Conditions
    output: Output
    members: list[dict[str, Any]]
    driving: int = 0
    limits: SanityLimits = field(default_factory=SanityLimits)
    check_interval: int | None = None
    calibration: dict[str, dict[str, Any]] = field(default_factory=dict)
    upper_factor: float = 20.0
    walltime: float | None = None
    dispersion: Dispersion | None = None
    extra: list[str] = field(default_factory=list)


def write_run(folder: Path, run: Run, start: Atoms) -> None:
    """Write the folder of a run for the driver."""
    folder.mkdir(parents=True, exist_ok=True)
    dumpfn(run, folder / PLAN_FILE, indent=1)
    Dataset.from_atoms([start], labels=False).write(folder / START_FILE)


def read_run(folder: Path) -> tuple[Run, Atoms]:
    """Return the run and its initial frame, written by :func:`write_run`."""
    run: Run = loadfn(folder / PLAN_FILE)
    if (folder / LIMIT_FILE).exists():
        run = replace(run, walltime=float((folder / LIMIT_FILE).read_text()))
    return run, Dataset.read(folder / START_FILE)[0]


def allow(folder: Path, seconds: float | None) -> None:
    """
    Write how long a run may take in this job; None: as long as its plan says.

    It is no part of the plan, by which a later job finds the run again.
    """
    if seconds is None:
        (folder / LIMIT_FILE).unlink(missing_ok=True)
    else:
        (folder / LIMIT_FILE).write_text(str(seconds))


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write how a run ended; an interruption leaves no part of the file."""
    write_whole(folder / RESULT_FILE, json.dumps(asdict(outcome)))


def read_outcome(folder: Path) -> Outcome | None:
    """Return how a run ended; None if it has not, or if the file is unreadable."""
    try:
        return Outcome(**json.loads((folder / RESULT_FILE).read_bytes()))
    except (FileNotFoundError, ValueError):
        return None


def pack(folder: Path) -> Artifact:
    """
    Return an archive of what a run needs to go on, on any machine.

    Parameters
    ----------
    folder
        Folder of the run, which has stopped.
    """
    names = [PLAN_FILE, FRAMES_FILE, DENSE_FILE, LOG_FILE, WATCH_FILE]
    restart = newest_restart(folder)
    names += [restart] if restart else []
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            if (folder / name).exists():
                # Without times of writing, equal runs have equal artifacts.
                packed.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    return Artifact.from_bytes(CHECKPOINT_FILE, content.getvalue())


def unpack(checkpoint: Artifact, folder: Path) -> None:
    """Extract an archive of :func:`pack` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(checkpoint.read_bytes())) as packed:
        for name in packed.namelist():
            (folder / Path(name).name).write_bytes(packed.read(name))
