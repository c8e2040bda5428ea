"""From a run's folder to its frames and document."""

import json
from pathlib import Path

import numpy as np
from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.documents import package_versions
from flowpot.exploration.document import MDDoc
from flowpot.exploration.frames import described, sampled_frames
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.checkpoint import pack
from flowpot.exploration.lammps.run import WATCH_FILE, Run
from flowpot.exploration.lammps.script import DENSE_FILE, FRAMES_FILE, LOG_FILE
from flowpot.exploration.lammps.trajectory import read_frames, read_thermo
from flowpot.exploration.outcome import Outcome


def md_frames(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> Dataset:
    """
    Collect the sampled frames of a run; see `frames.sampled_frames`.

    Parameters
    ----------
    folder
        Of the run.
    run, start, outcome
        What was run, from where, and how it ended.
    parent
        Fingerprint of the frame that the start was made from.
    """
    files = [folder / FRAMES_FILE, folder / DENSE_FILE]
    found = read_frames(files, start, LammpsCell.of(start))
    return sampled_frames(found, run.conditions, outcome, parent)


def md_document(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> MDDoc:
    """Describe a run; see :func:`md_frames` for the arguments."""
    document = described(
        md_frames(folder, run, start, outcome, parent),
        *(start, run.conditions, outcome, parent),
        thermo=read_thermo(folder / LOG_FILE, outcome.n_steps),
        disagreement=read_disagreement(folder / WATCH_FILE),
    )
    return document.model_copy(
        update={
            "folder": str(folder.absolute()),
            "checkpoint": pack(folder) if outcome.out_of_time else None,
            "versions": package_versions("lammps", "torch"),
        }
    )


def read_disagreement(file: Path) -> dict[str, np.ndarray]:
    """Read the committee's log as columns; of a step written twice the later row."""
    lines = file.read_text().splitlines() if file.exists() else []
    readings = [json.loads(line) for line in lines if line.endswith("}")]
    rows = {
        r["step"]: {"step": r["step"], **r["disagreement"], "excess": r["excess"]}
        for r in readings
    }
    names = rows[min(rows)] if rows else {}
    return {name: np.array([rows[s][name] for s in sorted(rows)]) for name in names}
