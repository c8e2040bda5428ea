"""Conditions of a trajectory: ensemble, temperature, pressure, length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from monty.json import MSONable
from numpy.typing import ArrayLike

from flowpot.validation import numbers, one_of, positive, whole

Ensemble = Literal["auto", "npt", "nvt", "nve", "langevin"]
Barostat = Literal["iso", "aniso", "tri"]

_ENSEMBLES = ("auto", "npt", "nvt", "nve", "langevin")
_BAROSTATS = ("iso", "aniso", "tri")


@dataclass(frozen=True)
class Conditions(MSONable):
    """
    Conditions of one trajectory.

    Attributes
    ----------
    ensemble
        ``"auto"`` is NPT with barostats along the periodic axes, NVT without any. The
        centre of mass is at rest. By LAMMPS a molecule does not rotate in NVT and NVE:
        its heat is in its 3N - 6 vibrations; with friction and noise it does.
    temperature
        Temperatures (K) at the first and the last step: a ramp where they differ. At
        0 K no velocities are drawn and friction alone takes heat away, because a
        Nose-Hoover thermostat cannot have a temperature of zero.
    pressure
        Pressures (kbar) at the first and the last step.
    n_steps
        Length of the run.
    timestep
        Length of a step (fs).
    seed
        Seed of the velocities and of Langevin's noise.
    barostat
        ``"iso"`` scales all periodic axes together, ``"aniso"`` each by itself,
        ``"tri"`` also changes the angles between them.
    minimise
        Largest number of steps by which the positions are relaxed before the run;
        0 starts from the frame as it is.
    temperature_damping, pressure_damping
        Relaxation times in timesteps.
    """

    ensemble: Ensemble = "auto"
    temperature: tuple[float, float] = (300.0, 300.0)
    pressure: tuple[float, float] = (0.0, 0.0)
    n_steps: int = 1000
    timestep: float = 1.0
    seed: int = 1
    barostat: Barostat = "aniso"
    minimise: int = 0
    temperature_damping: float = 100.0
    pressure_damping: float = 1000.0

    def __post_init__(self) -> None:
        """Check every field, before anything starts."""
        # JSON has no tuples: a serialised pair comes back as a list.
        object.__setattr__(self, "temperature", pair("temperature", self.temperature))
        object.__setattr__(self, "pressure", pair("pressure", self.pressure))
        one_of(_ENSEMBLES, ensemble=self.ensemble)
        one_of(_BAROSTATS, barostat=self.barostat)
        numbers(0, temperature=self.temperature)
        for name in ("timestep", "temperature_damping", "pressure_damping"):
            positive(**{name: getattr(self, name)})
        whole(1, n_steps=self.n_steps)
        whole(0, minimise=self.minimise, seed=self.seed)

    def ensemble_for(self, pbc: ArrayLike) -> Ensemble:
        """
        Return the ensemble of a frame.

        Parameters
        ----------
        pbc
            (3,) periodic axes of the frame.

        Returns
        -------
        str
            The same as `ensemble`, with ``"auto"`` resolved.

        Raises
        ------
        ValueError
            If NPT is asked for where no axis is periodic.
        """
        periodic = bool(np.any(pbc))
        if self.ensemble == "auto":
            return "npt" if periodic else "nvt"
        if self.ensemble == "npt" and not periodic:
            raise ValueError(
                "ensemble is 'npt' and the frame has no periodic axis for a barostat: "
                "use 'nvt', or 'auto' to choose by frame"
            )
        return self.ensemble


def pair(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """
    Return the two ends of a ramp, which are equal where one number is given.

    Parameters
    ----------
    name
        Name of the field, for the error's message.
    value
        A number, or a sequence of one or two numbers.

    Raises
    ------
    ValueError
        If the value is anything else, or not finite.
    """
    numbers(
        **{name: value if isinstance(value, list | tuple | np.ndarray) else [value]}
    )
    ends = np.atleast_1d(np.asarray(value, dtype=float))
    if ends.shape not in ((1,), (2,)) or not all(map(math.isfinite, ends)):
        raise ValueError(f"{name} is {value!r}: use one number, or a ramp's two ends")
    return float(ends[0]), float(ends[-1])


def ramp(ends: Sequence[Any] | np.ndarray, progress: np.ndarray) -> np.ndarray:
    """Return the targets of a ramp where `progress`, of 0 to 1, of the run is done."""
    return ends[0] + (ends[1] - ends[0]) * progress
