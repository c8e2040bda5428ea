"""
What a campaign will cost, roughly, before any of its jobs has been done.

Each number is within a factor of five or so: enough to tell an hour from a month. It
was found with pw.x 6.7 and MACE on one core of a server; jobs that are done tell better
(`flowpot.campaign.costs`).
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset

BASIS = "by a rough model, within a factor of five or so; completed jobs tell better"

_NOBLE = np.array([0, 2, 10, 18, 36, 54, 86])
_F_SHELL, _FULL_F = 14, (71, 103)  # electrons of f, and from where on they are core

# Distorted silicon at 24 Ry without symmetry: 8, 32 and 64 electrons took 0.035, 0.64
# and 3.8 core-seconds a k-point.
_LABEL, _ELECTRONS, _POWER = 0.64, 32.0, 2.3
_KPOINTS = 4000.0  # k-points times A^3, where the engine does not tell

# 32 cells of 8 atoms took 11 s for 40 epochs with 16x0e; a frame of 32 atoms takes
# 0.35 s with 128x0e + 128x1o, whose training is about three times that.
_TRAINING, _CHANNELS, _SCALING = 1.1e-3, 16.0, 1.13
_EVALUATION = 1 / 3  # of an atom in a training step
_STEP = 0.015  # core-seconds of a step of LAMMPS, whatever the atoms
_CHANNELS_ELSE, _EPOCHS_ELSE = 128.0, 300.0
_IRREP = re.compile(r"(\d+)x(\d+)[eo]")


def valence_electrons(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return how many electrons of atoms a pseudopotential leaves, shape (A,).

    Those beyond the noble gas before, filled shells of f excepted.

    Examples
    --------
    >>> valence_electrons(np.array([1, 6, 14, 29, 78])).tolist()
    [1, 4, 4, 11, 10]
    """
    numbers = np.asarray(numbers)
    core = _NOBLE[np.searchsorted(_NOBLE, numbers) - 1]
    filled = (numbers >= _FULL_F[0]) & (numbers <= _NOBLE[-1])
    filled |= numbers >= _FULL_F[1]
    return numbers - core - np.where(filled, _F_SHELL, 0)


def label_hours(frames: Dataset, n_kpoints: NDArray[np.int64] | None) -> float:
    """
    Return the core-hours of the labels of frames, by a plane-wave code.

    Parameters
    ----------
    frames
        The n frames.
    n_kpoints
        (n,) k-points of each; None: as many as a dense mesh has.
    """
    if not len(frames):
        return 0.0
    of_atoms = valence_electrons(frames.numbers)
    electrons = np.add.reduceat(of_atoms, frames.offsets[:-1])
    if n_kpoints is None:
        volume = np.abs(np.linalg.det(frames.cell))
        mesh = np.ceil(_KPOINTS / np.maximum(volume, 1.0))
        n_kpoints = np.where(frames.pbc.all(axis=1), mesh, 1.0).astype(int)
    seconds = _LABEL * n_kpoints * (electrons / _ELECTRONS) ** _POWER
    return float(seconds.sum()) / 3600


def training_hours(trainers: Sequence[Any], n_atoms: int) -> float:
    """
    Return the core-hours of the trainings of a committee.

    Parameters
    ----------
    trainers
        The trainer of each member: a Maker with ``hyperparameters``.
    n_atoms
        Atoms of the training set.
    """
    seconds = [_epochs(each) * n_atoms * _seconds_an_atom(each) for each in trainers]
    return sum(seconds) / 3600


def dynamics_hours(trainer: Any, n_steps: int, n_atoms: float) -> float:
    """
    Return the core-hours of molecular dynamics.

    Parameters
    ----------
    trainer
        What trains the potential that drives it; None: not known.
    n_steps
        Steps of all trajectories together.
    n_atoms
        Mean number of atoms.
    """
    seconds = _STEP + n_atoms * _EVALUATION * _seconds_an_atom(trainer)
    return n_steps * seconds / 3600


def _seconds_an_atom(trainer: Any) -> float:
    """Return the core-seconds of an atom in an epoch, by the size of the model."""
    irreps = str(_options(trainer).get("hidden_irreps", ""))
    sizes = [int(n) * (2 * int(order) + 1) for n, order in _IRREP.findall(irreps)]
    channels = sum(sizes) or _CHANNELS_ELSE
    return float(_TRAINING * (channels / _CHANNELS) ** _SCALING)


def _epochs(trainer: Any) -> float:
    options = _options(trainer)
    nested = options.get("training")
    if isinstance(nested, dict) and "num_epochs" in nested:
        return float(nested["num_epochs"])
    return float(options.get("max_num_epochs", _EPOCHS_ELSE))


def _options(trainer: Any) -> dict[str, Any]:
    given = getattr(trainer, "hyperparameters", None)
    return given if isinstance(given, dict) else {}
