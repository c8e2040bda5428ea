"""Thermal displacements, as phonons have them at a temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from flowpot.augmentation.generator import Batch, Frames, ParentGenerator, dataset_of
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.dataset.geometry.neighbours import bonded_pairs, closest_contact
from flowpot.validation import at_least, positive

_TRANSVERSE = 0.2
"""Stiffness of a spring across its axis, relative to that along it."""
_STILL = 1e-3
"""Share of the highest frequency below which modes are rigid motions: left out."""
_HBAR = units._hbar * units.J * units.s  # noqa: SLF001
_ROUNDS = 20
"""How often rejected frames are drawn again, at most."""


@dataclass(frozen=True)
class ThermalDisplacements(ParentGenerator):
    """
    Displacements as phonons have them at some temperatures.

    Parameters
    ----------
    temperatures
        Temperatures in K; 0 for zero-point motion.
    n_frames
        Number of frames per input structure and temperature.
    debye_temperature
        Debye temperature in K, to which the highest phonon frequency is scaled.
    """

    temperatures: tuple[float, ...] = (300.0, 1000.0)
    n_frames: int = 5
    debye_temperature: float = 500.0

    kind: ClassVar[str] = "thermal"

    def __post_init__(self) -> None:
        """Check the parameters."""
        object.__setattr__(self, "temperatures", tuple(self.temperatures))
        at_least(1, n_frames=self.n_frames, temperatures=len(self.temperatures))
        at_least(0, temperatures=min(self.temperatures))
        positive(debye_temperature=self.debye_temperature)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one input."""
        atoms = parent.supercell
        phonons = Phonons.of(atoms, self.debye_temperature)
        if not len(phonons.frequencies):
            note = f"{parent.label}: no thermal displacements, no atom has neighbours"
            return Batch(dataset_of([], self.kind), notes=(note,))
        accepted: list[NDArray[np.float64]] = []
        rejected = 0
        for temperature in self.temperatures:
            wanted = len(accepted) + self.n_frames
            for _ in range(_ROUNDS):
                drawn = phonons.displacements(wanted - len(accepted), temperature, rng)
                kept = [
                    moves
                    for moves in drawn
                    if _apart(atoms, moves, inputs.min_distance)
                ]
                accepted += kept
                rejected += len(drawn) - len(kept)
                if len(accepted) == wanted:
                    break
            else:
                raise ValueError(
                    f"{parent.label}: at temperature={temperature} K thermal "
                    f"displacements bring atoms closer than min_distance="
                    f"{inputs.min_distance} of the sum of their covalent radii: lower "
                    "the temperature, or raise debye_temperature"
                )
        n = len(accepted)
        frames = Frames(
            numbers=atoms.numbers,
            positions=atoms.positions + np.array(accepted),
            cell=np.tile(np.array(atoms.cell), (n, 1, 1)),
            pbc=atoms.pbc,
            info={
                "config_type": [self.kind] * n,
                "temperature": np.repeat(np.array(self.temperatures), self.n_frames),
            },
            parent=atoms,
        )
        return Batch(frames.dataset(), rejected=rejected)


def thermal_displacements(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    temperature: float,
    debye_temperature: float = 500.0,
) -> Atoms:
    """
    Displace atoms as phonons would at a temperature.

    Neighbours are tied by springs (Born's model), all of the same stiffness along the
    bond and a fifth of that across it, scaled such that the highest frequency of the
    structure is that of its Debye temperature. The coordinate of every mode is drawn
    from its quantum harmonic distribution: neighbours move together, light atoms move
    farther than heavy ones, and zero-point motion remains at low temperatures.

    Parameters
    ----------
    atoms
        The structure, at least as large as the longest phonons that are wanted.
    rng
        Source of randomness.
    temperature
        Temperature in K.
    debye_temperature
        Debye temperature in K.

    Returns
    -------
    Atoms
        A displaced copy.
    """
    at_least(0, temperature=temperature)
    positive(debye_temperature=debye_temperature)
    phonons = Phonons.of(atoms, debye_temperature)
    displaced = atoms.copy()
    if len(phonons.frequencies):
        displaced.positions += phonons.displacements(1, temperature, rng)[0]
    return displaced


@dataclass(frozen=True)
class Phonons:
    """
    Modes of a structure whose neighbours are tied by springs.

    Parameters
    ----------
    frequencies
        Angular frequencies of M modes in ASE's unit of inverse time, shape (M,).
    modes
        Displacement patterns in amu^-1/2, shape (M, N, 3): eigenvectors of the
        dynamical matrix divided by the square roots of the masses.
    """

    frequencies: NDArray[np.float64]
    modes: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: Atoms, debye_temperature: float) -> "Phonons":
        """
        Find the modes of a structure.

        Parameters
        ----------
        atoms
            The structure, of N atoms.
        debye_temperature
            Debye temperature in K, to which the highest frequency is scaled.

        Returns
        -------
        Phonons
            No modes if no atom has a neighbour other than its own images.
        """
        roots = np.repeat(np.sqrt(atoms.get_masses()), 3)
        dynamical = force_constants(atoms) / np.outer(roots, roots)
        squares, vectors = np.linalg.eigh(dynamical)
        frequencies = np.sqrt(np.clip(squares, 0, None))
        highest = frequencies.max(initial=0.0)
        moving = frequencies > _STILL * highest
        modes = (vectors[:, moving] / roots[:, None]).T.reshape(-1, len(atoms), 3)
        scale = units.kB * debye_temperature / _HBAR / (highest or 1.0)
        return cls(frequencies[moving] * scale, modes)

    def displacements(
        self, n: int, temperature: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """
        Draw displacements at a temperature.

        The coordinate of a harmonic mode is Gaussian, with the variance
        ``hbar / (2 omega) coth(hbar omega / 2 kT)`` (for example Landau and Lifshitz,
        Statistical Physics, 30).

        Parameters
        ----------
        n
            Number of frames.
        temperature
            Temperature in K.
        rng
            Source of randomness.

        Returns
        -------
        numpy.ndarray
            Displacements in A, shape (n, N, 3).
        """
        variance = _HBAR / (2 * self.frequencies)
        if temperature > 0:
            ratio = _HBAR * self.frequencies / (2 * units.kB * temperature)
            variance = variance / np.tanh(ratio)
        coordinates = rng.normal(size=(n, len(variance))) * np.sqrt(variance)
        return np.tensordot(coordinates, self.modes, axes=1)


def force_constants(atoms: Atoms) -> NDArray[np.float64]:
    """
    Return the force constants of springs between neighbours.

    Returns
    -------
    numpy.ndarray
        Shape (3 N, 3 N), in units of a spring's stiffness along its axis. They obey the
        acoustic sum rule.
    """
    constants = np.zeros((len(atoms), len(atoms), 3, 3))
    pairs = bonded_pairs(atoms)
    tied = pairs.first != pairs.second
    first, second = pairs.first[tied], pairs.second[tied]
    axes = pairs.vectors[tied] / pairs.lengths[tied][:, None]
    along = axes[:, :, None] * axes[:, None, :]
    blocks = along + _TRANSVERSE * (np.eye(3) - along)
    np.add.at(constants, (first, second), -blocks)
    np.add.at(constants, (first, first), blocks)
    return constants.transpose(0, 2, 1, 3).reshape(3 * len(atoms), 3 * len(atoms))


def _apart(atoms: Atoms, moves: Sequence[float], min_distance: float) -> bool:
    """Tell whether displaced atoms keep their distance."""
    moved = atoms.copy()
    moved.positions += moves
    return not min_distance or closest_contact(moved, min_distance) >= min_distance
