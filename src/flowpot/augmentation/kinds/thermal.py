"""Thermal displacements, as phonons have them at a temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from flowpot.augmentation.displacement import keep_atoms_apart
from flowpot.augmentation.generator import Batch, Frames, ParentGenerator, dataset_of
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.dataset.electronic_state import bare
from flowpot.dataset.geometry.neighbours import (
    bonded_pairs,
    closest_contact,
    nearest_distances,
)
from flowpot.validation import at_least, complete, numbers, positive, whole

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

    Frames whose atoms come too close are drawn again. Where that is of no avail, as in
    hydrides, whose stiff bonds the model makes too soft, the displacements of these
    atoms alone are turned in another direction.

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
        complete(self)
        whole(1, n_frames=self.n_frames)
        numbers(0, temperatures=self.temperatures)
        positive(debye_temperature=self.debye_temperature)
        object.__setattr__(self, "temperatures", tuple(self.temperatures))

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one input."""
        atoms = parent.supercell
        phonons = Phonons.of(atoms, self.debye_temperature)
        if not len(phonons.frequencies):
            note = f"{parent.label}: no thermal displacements, no atom has neighbours"
            return Batch(dataset_of([], self.kind), notes=(note,))
        drawn = [
            _drawn(atoms, phonons, self.n_frames, temperature, inputs.min_distance, rng)
            for temperature in self.temperatures
        ]
        counts = [len(each.moves) for each in drawn]
        notes = tuple(
            f"{parent.label}: {self.n_frames - count} of {self.n_frames} thermal "
            f"frames of {temperature:g} K are missing, since atoms came closer than "
            f"min_distance={inputs.min_distance} of the sum of their covalent radii: "
            "lower the temperature, or raise debye_temperature"
            for temperature, count in zip(self.temperatures, counts, strict=True)
            if count < self.n_frames
        )
        frames = dataset_of([], self.kind)
        if n := sum(counts):
            frames = Frames(
                numbers=atoms.numbers,
                positions=atoms.positions + np.concatenate([d.moves for d in drawn]),
                cell=np.tile(np.array(atoms.cell), (n, 1, 1)),
                pbc=atoms.pbc,
                info={
                    "config_type": [self.kind] * n,
                    "temperature": np.repeat(np.array(self.temperatures), counts),
                },
                parent=atoms,
            ).dataset()
        rejected = sum(each.rejected for each in drawn)
        turned = sum(each.turned for each in drawn)
        return Batch(frames, rejected=rejected, turned=turned, notes=notes)


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
        A displaced copy, without labels, metadata and constraints.
    """
    at_least(0, temperature=temperature)
    positive(debye_temperature=debye_temperature)
    phonons = Phonons.of(atoms, debye_temperature)
    displaced = bare(atoms)
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


@dataclass(frozen=True)
class _Drawn:
    """Displacements of n frames in A, shape (n, N, 3), and what they cost."""

    moves: NDArray[np.float64]
    rejected: int
    turned: int


def _drawn(
    atoms: Atoms,
    phonons: Phonons,
    n_frames: int,
    temperature: float,
    min_distance: float,
    rng: np.random.Generator,
) -> _Drawn:
    """Draw frames of a temperature that keep atoms apart; fewer if it cannot be."""
    accepted: list[NDArray[np.float64]] = []
    rejected = 0
    for _ in range(_ROUNDS):
        moves = phonons.displacements(n_frames - len(accepted), temperature, rng)
        apart = np.array([_apart(atoms, each, min_distance) for each in moves])
        accepted += list(moves[apart])
        rejected += int((~apart).sum())
        if apart.all():
            return _Drawn(np.array(accepted), rejected, 0)
    moves, turned = _mended(atoms, moves[~apart], min_distance, rng)
    kept = np.array([*accepted, *moves]).reshape(-1, len(atoms), 3)
    return _Drawn(kept, rejected - len(moves), turned)


def _mended(
    atoms: Atoms,
    moves: NDArray[np.float64],
    min_distance: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], int]:
    """
    Turn the displacements of those atoms that come too close.

    Frames in which an atom moves farther than to its nearest neighbour are left out:
    these are no vibrations.
    """
    lengths = np.linalg.norm(moves, axis=2)
    vibrates = (lengths < nearest_distances(atoms)).all(axis=1)
    if not vibrates.any():
        return moves[vibrates], 0
    reach = float(lengths[vibrates].max())
    mended, apart, turned = keep_atoms_apart(
        atoms, moves[vibrates], reach, min_distance, rng
    )
    return mended[apart], turned


def _apart(atoms: Atoms, moves: Sequence[float], min_distance: float) -> bool:
    """Tell whether displaced atoms keep their distance."""
    moved = atoms.copy()
    moved.positions += moves
    return not min_distance or closest_contact(moved, min_distance) >= min_distance
