"""Limits beyond which the frames of a trajectory are unphysical."""

import math
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from monty.json import MSONable

from flowpot.dataset.geometry.closeness import accepted_distance, check_distance
from flowpot.dataset.geometry.neighbours import clearance
from flowpot.validation import interval, positive

NOT_A_NUMBER = "not a number"
ATOMS_LOST = "atoms lost"

_HORIZON = 1.5
"""Pairs are searched for up to this far beyond contact (A), about a bond's length."""


@dataclass(frozen=True)
class SanityLimits(MSONable):
    """
    Limits beyond which a frame is unphysical, and its run is halted.

    Attributes
    ----------
    contact
        Smallest distance of a pair, as a fraction of the sum of its covalent radii.
        None: 0.5, the limit of all stages.
    volume
        Smallest and largest volume, as fractions of the start's.
    temperature
        Highest instantaneous temperature (K).
    """

    contact: float | None = None
    volume: tuple[float, float] = (0.2, 5.0)
    temperature: float = 20_000.0

    def __post_init__(self) -> None:
        """Check the limits."""
        interval(volume=self.volume)
        positive(temperature=self.temperature)
        object.__setattr__(self, "volume", tuple(self.volume))
        low, high = self.volume
        check_distance(contact=self.contact)
        if not 0 <= low < 1 < high:
            raise ValueError(
                f"volume is {self.volume}: use fractions of the start's around 1"
            )


class SanityCheck:
    """
    Compare the frames of one run with the limits.

    Parameters
    ----------
    limits
        The limits.
    start
        The frame that the run begins with.
    """

    def __init__(self, limits: SanityLimits, start: Atoms) -> None:
        self.limits = limits
        self._volume = abs(np.linalg.det(start.cell.array))
        self._masses = start.get_masses()
        self.contacts = ContactCheck(start, accepted_distance(limits.contact))

    def __call__(
        self, atoms: Atoms, forces: np.ndarray, velocities: np.ndarray
    ) -> str | None:
        """
        Name the limit that a frame is beyond.

        Parameters
        ----------
        atoms
            The frame.
        forces
            (n, 3) forces on its atoms (eV/A).
        velocities
            (n, 3) velocities of its atoms (A/ps), in any orientation.

        Returns
        -------
        str | None
            The first such limit in a word or two; None for a physical frame.
        """
        if not math.isfinite(forces.sum()):  # a sum is finite if each term is
            return NOT_A_NUMBER
        return self.breach(atoms, self.temperature(velocities))

    def breach(self, atoms: Atoms, temperature: float) -> str | None:
        """
        Name the limit that a frame with finite forces is beyond.

        Parameters
        ----------
        atoms
            The frame.
        temperature
            Its instantaneous temperature (K).

        Returns
        -------
        str | None
            See :meth:`__call__`.
        """
        if not math.isfinite(atoms.positions.sum()):
            return NOT_A_NUMBER
        if reason := self.bounds(atoms.cell.array, temperature):
            return reason
        if self.contacts(atoms):
            return "atoms too close"
        return None

    def bounds(self, cell: np.ndarray, temperature: float) -> str | None:
        """Name the limit that a cell (A) or a temperature (K) is beyond."""
        low, high = self.limits.volume
        if not low < abs(np.linalg.det(cell)) / self._volume < high:
            return "volume"
        if not temperature < self.limits.temperature:
            return "temperature"
        return None

    def temperature(self, velocities: np.ndarray) -> float:
        """Return the instantaneous temperature (K) of velocities (A/ps)."""
        twice_kinetic = self._masses @ np.einsum("ni,ni->n", velocities, velocities)
        degrees = 3 * len(velocities) * units.kB
        return float(twice_kinetic * (1e-3 / units.fs) ** 2 / degrees)


class ContactCheck:
    """
    Find atoms that are too close, at a small cost from step to step.

    The clearance is the smallest amount by which the distance of any pair exceeds its
    limit. Until the atoms have moved that far no pair can be too close, and the
    distances are not computed again.

    Parameters
    ----------
    start
        The frame that the run begins with.
    fraction
        Smallest distance of a pair, as a fraction of the sum of its covalent radii; 0
        is no limit.

    Attributes
    ----------
    clearance
        The clearance (A) when the distances were last computed.
    last
        The frame of which they were.
    """

    def __init__(self, start: Atoms, fraction: float) -> None:
        self._fraction = fraction
        self.last = start.copy()
        self.clearance = 0.0 if fraction else np.inf

    def __call__(self, atoms: Atoms) -> bool:
        """Return whether any pair is too close."""
        # A bound (A) on how far any pair has approached since the last search.
        moved = atoms.positions - self.last.positions
        farthest_move = np.sqrt(np.einsum("ni,ni->n", moved, moved).max())
        strained = np.linalg.norm(atoms.cell.array - self.last.cell.array, axis=1)
        if 2 * farthest_move + strained.sum() >= self.clearance:
            self.clearance = clearance(atoms, self._fraction, _HORIZON)
            self.last = atoms.copy()
        return self.clearance < 0
