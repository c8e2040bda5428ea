"""From what an engine has sampled to a dataset and a document."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from flowpot.dataset import Dataset
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDDoc, thin
from flowpot.exploration.outcome import Outcome

CONFIG_TYPE = "md"

_ROWS = 100  # of the thinned columns in a document
_CANDIDATES = 3  # last frames before a halt that are marked


def trajectory_name(parent: str, conditions: Conditions) -> str:
    """Name a trajectory by its start and conditions."""
    kelvin, kbar = conditions.temperature[0], conditions.pressure[0]
    return f"{parent[:8]}-{kelvin:g}K-{kbar:g}kbar-{conditions.seed}"


def sampled_frames(
    frames: Mapping[int, Atoms],
    conditions: Conditions,
    outcome: Outcome,
    parent: str,
) -> Dataset:
    """
    Collect the sampled frames of a run.

    The frame it began with is not among them, nor those from a halt on: they are
    the wreck. The last ones before it are marked as ``candidate``.

    Parameters
    ----------
    frames
        By step, in order.
    conditions, outcome
        What was run, and how it ended.
    parent
        Fingerprint of the frame that the start was made from.
    """
    end = outcome.n_steps + (outcome.halted is None)
    kept = {step: atoms for step, atoms in frames.items() if 0 < step < end}
    steps = np.array(list(kept), dtype=int)
    n_candidates = _CANDIDATES if outcome.halted else 0
    progress = steps / conditions.n_steps
    return Dataset.from_atoms(list(kept.values()), labels=False).with_info(
        config_type=CONFIG_TYPE,
        parent=parent,
        trajectory=trajectory_name(parent, conditions),
        md_step=steps,
        temperature=ramp(conditions.temperature, progress),
        pressure=ramp(conditions.pressure, progress),
        candidate=np.arange(len(steps)) >= len(steps) - n_candidates,
    )


def ramp(ends: tuple[float, float], progress: np.ndarray) -> np.ndarray:
    """Return the targets of a ramp after some share of the run."""
    return ends[0] + (ends[1] - ends[0]) * progress


def described(
    frames: Dataset,
    start: Atoms,
    conditions: Conditions,
    outcome: Outcome,
    parent: str,
    *,
    thermo: Mapping[str, ArrayLike],
    disagreement: Mapping[str, ArrayLike],
) -> MDDoc:
    """
    Describe a trajectory; the engine completes the document.

    Parameters
    ----------
    frames
        Those of :func:`sampled_frames`.
    start, conditions, outcome, parent
        What was run, from where, and how it ended.
    thermo, disagreement
        Columns of the logs.
    """
    return MDDoc(
        state=outcome.state,
        reason=outcome.error or outcome.halted,
        detail=outcome.detail,
        dataset=frames.to_artifact("frames.h5") if len(frames) else None,
        n_frames=len(frames),
        n_steps=outcome.n_steps,
        thermo=thin(thermo, _ROWS),
        disagreement=thin(disagreement, _ROWS),
        seconds=outcome.seconds,
        **_identity(start, conditions, parent),
    )


def refused_document(
    start: Atoms, conditions: Conditions, parent: str, reason: str
) -> MDDoc:
    """Describe a trajectory that could not even be prepared, and say why."""
    folder = str(Path.cwd())
    identity = _identity(start, conditions, parent)
    return MDDoc(state="failed", reason=reason, **(identity | {"folder": folder}))


def _identity(start: Atoms, conditions: Conditions, parent: str) -> dict[str, object]:
    """Say which trajectory it is."""
    ensemble = conditions.ensemble
    if ensemble == "auto":
        ensemble = "npt" if start.pbc.any() else "nvt"
    return {
        "trajectory": trajectory_name(parent, conditions),
        "parent": parent,
        "formula": str(start.symbols),
        "ensemble": ensemble,
        "temperature": conditions.temperature,
        "pressure": conditions.pressure,
        "timestep": conditions.timestep,
        "seed": conditions.seed,
    }
