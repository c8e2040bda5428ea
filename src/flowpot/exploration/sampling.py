"""What a run writes, and the dataset and document that are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from flowpot.dataset import Dataset
from flowpot.dataset.sets import EXPLORED
from flowpot.exploration.conditions import Conditions, ramp
from flowpot.exploration.correlation import correlation_steps
from flowpot.exploration.document import MDDoc, thin
from flowpot.exploration.outcome import Outcome


@dataclass(frozen=True)
class Output:
    """
    What a run writes, and how often.

    Attributes
    ----------
    sample_interval
        Steps between sampled frames.
    dense_interval
        Steps between the frames sampled while the predicted error exceeds the
        tolerance; None samples no more than usual.
    thermo_interval
        Steps between the rows of the log.
    restart_interval
        Steps between restart files; the last two are kept.
    """

    sample_interval: int
    dense_interval: int | None = None
    thermo_interval: int = 10
    restart_interval: int = 1000

    def __post_init__(self) -> None:
        """Check that the intervals are whole numbers of steps."""
        for name, value in vars(self).items():
            if value is not None and (value != int(value) or value < 1):
                raise ValueError(f"{name} is {value}: use a whole number of steps")


THERMO = (
    "step",
    "time (ps)",
    "temperature (K)",
    "potential energy (eV)",
    "kinetic energy (eV)",
    "total energy (eV)",
    "pressure (kbar)",
    *(f"pressure {ab} (kbar)" for ab in ("xx", "yy", "zz", "xy", "xz", "yz")),
    "volume (A^3)",
)
"""Columns of a run's log, the same for all engines."""

COMPONENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Components of a tensor in the order of the log and of LAMMPS: xx, yy, zz, xy, ..."""

_ROWS = 100  # that the logs in a document have at most
_CANDIDATES = 3  # last frames before a halt, which are marked


def trajectory_name(parent: str, conditions: Conditions) -> str:
    """Return the name of a trajectory, made of its start and conditions."""
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

    Neither the frame it began with nor the unphysical ones from a halt on are among
    them. The last ones before the halt are marked as ``candidate``.

    Parameters
    ----------
    frames
        Frames by step, in order.
    conditions, outcome
        Conditions of the run, and how it ended.
    parent
        Fingerprint of the frame that the start was made from.

    Returns
    -------
    Dataset
        The frames with the columns ``config_type``, ``parent``, ``trajectory``,
        ``md_step``, ``temperature`` (K) and ``pressure`` (kbar), which are the
        targets at that step, and ``candidate``.
    """
    end = outcome.n_steps + (outcome.halted is None)
    sampled = {step: atoms for step, atoms in frames.items() if 0 < step < end}
    steps = np.array(list(sampled), dtype=int)
    n_candidates = _CANDIDATES if outcome.halted else 0
    progress = steps / conditions.n_steps
    return Dataset.from_atoms(list(sampled.values()), labels=False).with_info(
        config_type=EXPLORED,
        parent=parent,
        trajectory=trajectory_name(parent, conditions),
        md_step=steps,
        temperature=ramp(conditions.temperature, progress),
        pressure=ramp(conditions.pressure, progress),
        candidate=np.arange(len(steps)) >= len(steps) - n_candidates,
    )


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
    Return the document of a trajectory, which the engine completes.

    Parameters
    ----------
    frames
        Result of :func:`sampled_frames`.
    start, conditions, outcome, parent
        The frame it began with, what was simulated, how it ended, and the fingerprint
        of the frame that the start was made from.
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
        correlation=correlation_steps(
            thermo.get("step", ()), thermo.get("potential energy (eV)", ())
        ),
        disagreement=thin(disagreement, _ROWS),
        seconds=outcome.seconds,
        **_identity(start, conditions, parent),
    )


def refused_document(
    start: Atoms, conditions: Conditions, parent: str, reason: str
) -> MDDoc:
    """Return the document of a trajectory that could not be prepared."""
    identity = _identity(start, conditions, parent)
    folder = str(Path.cwd())
    return MDDoc(state="failed", reason=reason, folder=folder, **identity)


def _identity(start: Atoms, conditions: Conditions, parent: str) -> dict[str, Any]:
    """Return the fields of a document that are known before the run."""
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
