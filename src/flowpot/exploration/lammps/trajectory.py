"""Read the files of a run: sampled frames, thermodynamic log and disagreement."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.dataset.electronic_state import bare
from flowpot.documents import package_versions
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDDoc
from flowpot.exploration.lammps.cell import LammpsCell, lower_triangle
from flowpot.exploration.lammps.run import WATCH_FILE, Run, pack
from flowpot.exploration.lammps.script import DENSE_FILE, FRAMES_FILE, LOG_FILE
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sampling import THERMO, described, sampled_frames
from flowpot.randomness import derive_seed

_COLUMNS = ["id", "type", "x", "y", "z", "ix", "iy", "iz"]

_KEYWORDS = (
    *("Step", "Time", "Temp", "PotEng", "KinEng", "TotEng", "Press"),
    *("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz", "Volume"),
)
"""LAMMPS's names of the columns in `sampling.THERMO`."""
_BAR = 1e-3  # kbar
_HEADER = 8  # lines between the mark of a frame and its first atom


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One frame of a LAMMPS dump: in LAMMPS's axes, atoms in the order of their ids."""

    step: int
    lower: np.ndarray
    origin: np.ndarray
    positions: np.ndarray
    images: np.ndarray


def read_frames(files: list[Path], start: Atoms, cell: LammpsCell) -> dict[int, Atoms]:
    """
    Read dump files as frames in the start's axes.

    Parameters
    ----------
    files
        LAMMPS dumps of one run; missing ones are skipped.
    start
        The frame that the run began with.
    cell
        Its map to LAMMPS's axes.

    Returns
    -------
    dict[int, ase.Atoms]
        Frames by step, in the order of the steps. Of a step that was written twice,
        around a restart, the later copy is used. Frames that are incomplete because
        LAMMPS was killed, or that have lost atoms, are left out.
    """
    shots = {}
    for file in filter(Path.exists, files):
        with file.open() as lines:
            for block in _blocks(lines):
                n = int(block[2]) if len(block) >= _HEADER else 0
                if n and len(block) == _HEADER + n and block[-1].endswith("\n"):
                    shot = _snapshot(block)
                    shots[shot.step] = shot
    frames = {}
    for step, shot in sorted(shots.items()):
        if len(shot.positions) == len(start):
            positions = cell.positions_back(
                shot.positions, shot.images, shot.lower, shot.origin, start.pbc
            )
            # Moments, charge and multiplicity are those of the start.
            frames[step] = bare(
                start, positions=positions, cell=cell.cell_back(shot.lower)
            )
    return frames


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Split at the frames' marks, also at one that follows an incomplete line."""
    block: list[str] = []
    for line in lines:
        rest, mark, _ = line.partition("ITEM: TIMESTEP")
        if not mark:
            block.append(line)
            continue
        yield [*block, rest] if rest else block
        block = []
    yield block


def _snapshot(lines: list[str]) -> Snapshot:
    if lines[7].split()[2:] != _COLUMNS:
        raise ValueError(f"dump columns are {lines[7]!r}: use {' '.join(_COLUMNS)}")
    bounds = np.array([line.split() for line in lines[4:7]], dtype=float)
    (xy, xz, yz) = tilts = bounds[:, 2]
    # LAMMPS dumps the bounds of the tilted box's bounding box.
    low = bounds[:, 0] - [min(0, xy, xz, xy + xz), min(0, yz), 0]
    high = bounds[:, 1] - [max(0, xy, xz, xy + xz), max(0, yz), 0]
    rows = np.array([line.split() for line in lines[_HEADER:]], dtype=float)
    return Snapshot(
        step=int(lines[0]),
        lower=lower_triangle(high - low, *tilts),
        origin=low,
        positions=rows[:, 2:5],
        images=rows[:, 5:8],
    )


def read_thermo(file: Path, last_step: int | None = None) -> dict[str, np.ndarray]:
    """
    Read the thermodynamic output in a log.

    Parameters
    ----------
    file
        LAMMPS's log; a missing one has no rows.
    last_step
        Step after which rows are left out, for example as unphysical. None: no step.

    Returns
    -------
    dict[str, numpy.ndarray]
        Columns of ``sampling.THERMO``, in the order of the steps. Of a step that was
        written twice, around a restart, the later row is used.
    """
    rows: dict[int, list[float]] = {}
    n_columns = len(THERMO)
    lines = file.read_text().splitlines() if file.exists() else []
    inside = False
    for line in lines:
        words = line.split()
        if tuple(words[:n_columns]) == _KEYWORDS:
            inside = True
        elif inside and len(words) == n_columns and words[0].isdigit():
            rows[int(words[0])] = [float(word) for word in words]
        elif line.startswith("Loop time"):
            inside = False
        elif line.startswith("reset_timestep"):
            rows.clear()  # of the minimisation before the run
    steps = [s for s in sorted(rows) if last_step is None or s <= last_step]
    table = np.array([rows[s] for s in steps]).reshape(-1, n_columns)
    return {
        name: table[:, i] * (_BAR if name.endswith("(kbar)") else 1.0)
        for i, name in enumerate(THERMO)
    }


def last_step(folder: Path) -> int:
    """Return the last step in a run's log, 0 where there is none."""
    steps = read_thermo(folder / LOG_FILE)["step"]
    return int(steps[-1]) if len(steps) else 0


def resumed(conditions: Conditions, folder: Path) -> Conditions:
    """
    Return the conditions of a run that goes on in its folder.

    LAMMPS's restart files lack the states of the random generators: with the same seed
    the noise of the first steps would be repeated.
    """
    return replace(
        conditions, seed=derive_seed(conditions.seed, "noise", last_step(folder))
    )


def md_frames(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> Dataset:
    """
    Collect the sampled frames of a run; see :func:`sampling.sampled_frames`.

    Parameters
    ----------
    folder
        Folder of the run.
    run, start, outcome
        What was run, the frame that it began with, and how it ended.
    parent
        Fingerprint of the frame that the start was made from.
    """
    files = [folder / FRAMES_FILE, folder / DENSE_FILE]
    frames = read_frames(files, start, LammpsCell.of(start))
    return sampled_frames(frames, run.conditions, outcome, parent)


def md_document(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> MDDoc:
    """Return the document of a run; the arguments are those of :func:`md_frames`."""
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
    """Return the committee's log as columns; of a step written twice the later row."""
    lines = file.read_text().splitlines() if file.exists() else []
    readings = [json.loads(line) for line in lines if line.endswith("}")]
    rows = {
        r["step"]: {"step": r["step"], **r["disagreement"], "excess": r["excess"]}
        for r in readings
    }
    names = rows[min(rows)] if rows else {}
    return {name: np.array([rows[s][name] for s in sorted(rows)]) for name in names}
