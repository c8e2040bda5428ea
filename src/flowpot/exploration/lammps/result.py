"""From a run's folder to its frames and document."""

import json
from pathlib import Path

import numpy as np
from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.documents import package_versions
from flowpot.exploration.document import MDDoc, MDState, thin
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.checkpoint import pack
from flowpot.exploration.lammps.conditions import Conditions
from flowpot.exploration.lammps.run import WATCH_FILE, Outcome, Run
from flowpot.exploration.lammps.script import DENSE_FILE, FRAMES_FILE, LOG_FILE
from flowpot.exploration.lammps.trajectory import read_frames, read_thermo

CONFIG_TYPE = "md"
_ROWS = 100  # of the thinned columns in a document
_CANDIDATES = 3  # last frames before a halt that are marked


def trajectory_name(parent: str, conditions: Conditions) -> str:
    """Name a trajectory by its start and conditions."""
    kelvin, kbar = conditions.temperature[0], conditions.pressure[0]
    return f"{parent[:8]}-{kelvin:g}K-{kbar:g}kbar-{conditions.seed}"


def md_frames(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> Dataset:
    """
    Collect the sampled frames of a run.

    The frame it began with is not among them, nor those from a halt on: they are
    the wreck. The last ones before it are marked as ``candidate``.

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
    end = outcome.n_steps + (outcome.halted is None)
    frames = {
        step: atoms
        for step, atoms in read_frames(files, start, LammpsCell.of(start)).items()
        if 0 < step < end
    }
    steps = np.array(list(frames), dtype=int)
    n_candidates = _CANDIDATES if outcome.halted else 0
    progress = steps / run.conditions.n_steps
    return Dataset.from_atoms(list(frames.values()), labels=False).with_info(
        config_type=CONFIG_TYPE,
        parent=parent,
        trajectory=trajectory_name(parent, run.conditions),
        md_step=steps,
        temperature=_ramp(run.conditions.temperature, progress),
        pressure=_ramp(run.conditions.pressure, progress),
        candidate=np.arange(len(steps)) >= len(steps) - n_candidates,
    )


def _ramp(ends: tuple[float, float], progress: np.ndarray) -> np.ndarray:
    return ends[0] + (ends[1] - ends[0]) * progress


def md_document(
    folder: Path, run: Run, start: Atoms, outcome: Outcome, parent: str
) -> MDDoc:
    """Describe a run; see :func:`md_frames` for the arguments."""
    conditions = run.conditions
    frames = md_frames(folder, run, start, outcome, parent)
    return MDDoc(
        state=_state(outcome),
        reason=outcome.error or outcome.halted,
        detail=outcome.detail,
        dataset=frames.to_artifact("frames.h5") if len(frames) else None,
        n_frames=len(frames),
        n_steps=outcome.n_steps,
        trajectory=trajectory_name(parent, conditions),
        parent=parent,
        formula=str(start.symbols),
        ensemble=conditions.ensemble_for(start.pbc),
        temperature=conditions.temperature,
        pressure=conditions.pressure,
        timestep=conditions.timestep,
        seed=conditions.seed,
        attempts=1,
        member=0,
        engine="python",
        thermo=thin(read_thermo(folder / LOG_FILE, outcome.n_steps), _ROWS),
        disagreement=thin(read_disagreement(folder / WATCH_FILE), _ROWS),
        folder=str(folder.absolute()),
        checkpoint=pack(folder) if outcome.out_of_time else None,
        seconds=outcome.seconds,
        versions=package_versions("lammps", "torch"),
    )


def refused_document(
    start: Atoms, conditions: Conditions, parent: str, reason: str
) -> MDDoc:
    """Describe a trajectory that could not even be prepared, and say why."""
    periodic = bool(start.pbc.any())
    return MDDoc(
        state="failed",
        reason=reason,
        trajectory=trajectory_name(parent, conditions),
        parent=parent,
        formula=str(start.symbols),
        ensemble=("npt" if periodic else "nvt")
        if conditions.ensemble == "auto"
        else conditions.ensemble,
        temperature=conditions.temperature,
        pressure=conditions.pressure,
        timestep=conditions.timestep,
        seed=conditions.seed,
        folder=str(Path.cwd()),
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


def _state(outcome: Outcome) -> MDState:
    if outcome.error is not None:
        return "failed"
    if outcome.halted is not None:
        return "halted"
    return "out of time" if outcome.out_of_time else "done"
