"""When a trajectory has stopped making sense."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from ase import Atoms, units
from ase.data import covalent_radii
from monty.json import MSONable


@dataclass(frozen=True)
class SanityLimits(MSONable):
    """
    Limits beyond which a run is a wreck.

    Attributes
    ----------
    contact
        Smallest distance of a pair, as a fraction of the sum of its covalent radii.
    volume
        Smallest and largest volume, as fractions of the start's.
    temperature
        Highest instantaneous temperature (K).
    """

    contact: float = 0.5
    volume: tuple[float, float] = (0.2, 5.0)
    temperature: float = 20_000.0

    def __post_init__(self) -> None:
        """Check the limits."""
        object.__setattr__(self, "volume", tuple(self.volume))
        low, high = self.volume
        if not 0 <= self.contact < 1 or not 0 <= low < 1 < high:
            raise ValueError(
                f"contact is {self.contact} and volume {self.volume}: use a fraction "
                "of the covalent distance, and fractions of the volume around 1"
            )


@dataclass(frozen=True)
class SanityCheck:
    """The limits, for the atoms of one run."""

    limits: SanityLimits
    start: Atoms = field(repr=False)

    def __call__(
        self, atoms: Atoms, forces: np.ndarray, velocities: np.ndarray
    ) -> str | None:
        """
        Say what is wrong with a frame.

        Parameters
        ----------
        atoms
            The frame.
        forces
            (n, 3) on its atoms.
        velocities
            (n, 3) of its atoms (A/ps), in any orientation.

        Returns
        -------
        str | None
            The first limit that is passed, in a word or two; None for a sane frame.
        """
        if not (np.isfinite(forces).all() and np.isfinite(atoms.positions).all()):
            return "not a number"
        low, high = self.limits.volume
        if not low < atoms.get_volume() / self.start.get_volume() < high:
            return "volume"
        if not self.temperature(velocities) < self.limits.temperature:
            return "temperature"
        if self._in_contact(atoms):
            return "atoms too close"
        return None

    def temperature(self, velocities: np.ndarray) -> float:
        """Instantaneous temperature (K) of velocities (A/ps)."""
        speed = velocities * 1e-3 / units.fs  # ASE's unit of time
        twice_kinetic = (self._masses[:, None] * speed**2).sum()
        return float(twice_kinetic / (3 * len(velocities) * units.kB))

    def _in_contact(self, atoms: Atoms) -> bool:
        """
        Compare each pair's distance with its own limit.

        Reducing the fractional difference to [-1/2, 1/2] gives the shortest image of
        every pair that is closer than half the height of the cell, which the limits
        of contact always are.
        """
        first, second, limits = self._pairs
        fractional = atoms.cell.scaled_positions(atoms.positions)
        delta = fractional[first] - fractional[second]
        delta -= np.round(delta) * atoms.pbc
        distances = np.linalg.norm(delta @ atoms.cell.array, axis=1)
        return bool((distances < limits).any())

    @cached_property
    def _masses(self) -> np.ndarray:
        return self.start.get_masses()

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first, second = np.triu_indices(len(self.start), k=1)
        radii = covalent_radii[self.start.numbers]
        return first, second, self.limits.contact * (radii[first] + radii[second])
