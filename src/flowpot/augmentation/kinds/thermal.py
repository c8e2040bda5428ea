"""Thermal displacements: correlated as phonons are, of the size of a temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from flowpot.augmentation.generator import Batch, Frames, ParentGenerator, dataset_of
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.augmentation.neighbours import bonded_pairs
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.validation import at_least, positive

_TRANSVERSE = 0.2
"""Stiffness of a spring across its axis, relative to that along it."""
_STILL = 1e-3
"""Modes of a lower share of the highest frequency are rigid motions: left out."""
_HBAR = units._hbar * units.J * units.s  # noqa: SLF001
_ROUNDS = 20


@dataclass(frozen=True)
class ThermalDisplacements(ParentGenerator):
    """
    Displacements as those of phonons at some temperatures.

    Parameters
    ----------
    temperatures
        In K; 0 gives zero-point motion.
    n_frames
        Frames per input structure and temperature.
    debye_temperature
        Sets the stiffness: the highest phonon frequency is that of this temperature,
        in K.
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
        """Make the frames of one parent."""
        atoms = parent.supercell
        phonons = Phonons.of(atoms, self.debye_temperature)
        if not len(phonons.frequencies):
            note = f"{parent.label}: no thermal displacements, no atom has neighbours"
            return Batch(dataset_of([], self.kind), notes=(note,))
        made: list[NDArray[np.float64]] = []
        rejected = 0
        for temperature in self.temperatures:
            wanted = len(made) + self.n_frames
            for _ in range(_ROUNDS):
                moves = phonons.displacements(wanted - len(made), temperature, rng)
                kept = [m for m in moves if _apart(atoms, m, inputs.min_distance)]
                made += kept
                rejected += len(moves) - len(kept)
                if len(made) == wanted:
                    break
            else:
                raise ValueError(
                    f"{parent.label}: at temperature={temperature} K thermal "
                    f"displacements bring atoms closer than min_distance="
                    f"{inputs.min_distance} of the sum of their covalent radii: lower "
                    "the temperature, or raise debye_temperature"
                )
        frames = Frames(
            atoms.numbers,
            atoms.positions + np.array(made),
            np.tile(np.array(atoms.cell), (len(made), 1, 1)),
            atoms.pbc,
            {
                "config_type": [self.kind] * len(made),
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

    Neighbours are tied by springs of one stiffness (Born's model: along the bond, and
    a fifth of that across it), scaled so that the highest frequency of the structure
    is that of its Debye temperature. Every mode is then drawn from its quantum
    harmonic distribution: neighbours move together, light atoms farther than heavy
    ones, and low temperatures keep the zero-point motion.

    Parameters
    ----------
    atoms
        The structure, as large as the longest phonons wanted.
    rng
        Where the randomness comes from.
    temperature
        In K.
    debye_temperature
        In K.
    """
    at_least(0, temperature=temperature)
    positive(debye_temperature=debye_temperature)
    phonons = Phonons.of(atoms, debye_temperature)
    made = atoms.copy()
    made.calc = None
    if len(phonons.frequencies):
        made.positions += phonons.displacements(1, temperature, rng)[0]
    return made


@dataclass(frozen=True)
class Phonons:
    """
    Modes of a structure whose neighbours are tied by springs.

    Parameters
    ----------
    frequencies
        Angular frequencies of M modes, in ASE's units (1/time), shape (M,).
    modes
        Displacement patterns: mass-weighted eigenvectors divided by the square root
        of the masses, shape (M, N, 3), in amu^-1/2.
    """

    frequencies: NDArray[np.float64]
    modes: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: Atoms, debye_temperature: float) -> "Phonons":
        """Find the modes, and scale the highest frequency to a Debye temperature."""
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

        The coordinate of a harmonic mode is Gaussian, of variance
        ``hbar / (2 omega) coth(hbar omega / 2 kT)`` (for example Landau and Lifshitz,
        Statistical Physics, 30).

        Returns
        -------
        numpy.ndarray
            Shape (n, N, 3), in A.
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
        Shape (3 N, 3 N), in units of a spring's stiffness along its axis; they obey
        the acoustic sum rule.
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
    """Say whether displaced atoms keep their distance."""
    moved = atoms.copy()
    moved.positions += moves
    return not min_distance or closest_contact(moved, min_distance) >= min_distance
