"""Vacancies alone: of those that symmetry makes the same, one is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import ClassVar

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import KDTree

from flowpot.augmentation.draw import Sites
from flowpot.augmentation.generator import Batch, ParentGenerator, dataset_of
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.augmentation.kinds.distortion import Distortions, distorted
from flowpot.augmentation.removal import cannot_lose, removable, vacancy_counts

_ENUMERATED = 2000
"""Number of choices of atoms up to which all are tried, in random order."""
_TRIED = 10
"""Number of choices drawn for each frame that is wanted, if there are more."""
_SYMPREC = 0.01
"""Tolerated distance of atoms from symmetric positions (A), as in pymatgen."""


@dataclass(frozen=True)
class Vacancies(ParentGenerator):
    """
    Structures that lack atoms, otherwise perfect or nearly so.

    Of the vacancies that symmetry makes equivalent, one is made. Molecules lose no
    atoms.

    Parameters
    ----------
    n_frames
        Number of frames per input structure. If there are fewer distinct vacancies,
        fewer frames are made where `fraction` is 0; otherwise each kind of vacancy is
        displaced several times.
    n_vacancies
        Number of atoms that each frame lacks, or several numbers, of which the smaller
        come first.
    fraction
        Largest displacement, as in `Distortions`; 0 for none.
    vacancy_species
        Elements of the atoms that may be removed; None for any.
    """

    n_frames: int = 1
    n_vacancies: int | tuple[int, ...] = 1
    fraction: float = 0.0
    vacancy_species: tuple[str, ...] | None = None

    kind: ClassVar[str] = "vacancy"

    def __post_init__(self) -> None:
        """Check the parameters."""
        plan = self._plan(self.n_frames)
        object.__setattr__(self, "n_vacancies", plan.n_vacancies)
        object.__setattr__(self, "vacancy_species", plan.vacancy_species)

    def _plan(self, n_frames: int) -> Distortions:
        return Distortions(
            n_frames=n_frames,
            fraction=self.fraction,
            strain=None,
            vacancy_fraction=1.0,
            n_vacancies=self.n_vacancies,
            vacancy_species=self.vacancy_species,
        )

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one input."""
        present, notes = self._present(parent.supercell, rng)
        notes = [f"{parent.label}: {note}" for note in notes]
        if not len(present):
            return Batch(dataset_of([], self.kind), notes=tuple(notes))
        sites = replace(Sites.of(parent.supercell, len(present)), present=present)
        plan = self._plan(len(present))
        batch = distorted(parent, plan, inputs.min_distance, rng, sites)
        return replace(batch, notes=(*notes, *batch.notes))

    def _present(
        self, atoms: Atoms, rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], list[str]]:
        """Choose the atoms that stay in each frame, shape (n, N)."""
        nothing = np.ones((0, len(atoms)), bool)
        if not atoms.pbc.any():
            return nothing, ["no vacancies, since it is a molecule"]
        eligible = removable(atoms.numbers, self.vacancy_species)
        counts = vacancy_counts(self.n_vacancies)
        present = distinct_vacancies(atoms, eligible, counts, self.n_frames, rng)
        if not len(present):
            reason = cannot_lose(len(atoms), counts, self.vacancy_species)
            return nothing, [f"no vacancies, since {reason}"]
        if self.fraction:
            return present[np.arange(self.n_frames) % len(present)], []
        if len(present) == self.n_frames:
            return present, []
        few = f"{len(present)} frames with vacancies instead of {self.n_frames}: "
        return present, [few + "no others were found that differ by symmetry"]


def distinct_vacancies(
    atoms: Atoms,
    eligible: NDArray[np.bool_],
    counts: Sequence[int],
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """
    Choose atoms to remove such that no two choices are equivalent by symmetry.

    Parameters
    ----------
    atoms
        A structure of N atoms with a cell.
    eligible
        Atoms that may be removed, shape (N,).
    counts
        Numbers of vacancies. All choices of the first number come before those of the
        next.
    n
        Number of choices that are wanted.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Atoms that stay, shape (m, N), with m at most n. If m is smaller, and few atoms
        are to go, there are no other choices; otherwise none was met in many draws.
    """
    symmetry = _Symmetry.of(atoms)
    sites = np.flatnonzero(eligible)
    choices: set[tuple[int, ...]] = set()
    for count in counts:
        if count >= len(atoms):
            break
        for choice in _choices(sites, count, n, rng):
            if len(choices) == n:
                break
            choices.add(symmetry.representative(choice))
    present = np.ones((len(choices), len(atoms)), bool)
    by_size = sorted(choices, key=lambda choice: (len(choice), choice))
    for row, removed in enumerate(by_size):
        present[row, list(removed)] = False
    return present


def _choices(
    sites: NDArray[np.int64], count: int, n: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield sets of sites in random order: all if they are few, else random ones."""
    if comb(len(sites), count) <= _ENUMERATED:
        sets = np.array(list(combinations(sites, count)), np.int64)
        yield from rng.permutation(sets.reshape(-1, count))
        return
    for _ in range(_TRIED * n):
        yield rng.choice(sites, count, replace=False)


@dataclass(frozen=True)
class _Symmetry:
    """
    Symmetry of a structure, translations within its cell included.

    Parameters
    ----------
    fractions
        Fractional coordinates of the N atoms, in [0, 1), shape (N, 3).
    rotations, translations
        R and t of the m operations x' = R x + t in these coordinates, shapes (m, 3, 3)
        and (m, 3).
    equivalent
        First atom that each atom is equivalent to, shape (N,).
    """

    fractions: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    equivalent: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms) -> "_Symmetry":
        """
        Find the symmetry with spglib; the identity alone if spglib finds none.

        If atoms have moments, the operations are those of the magnetic space group,
        which may reverse all moments.
        """
        fractions = _inside(atoms.get_scaled_positions(wrap=False))
        cell = (atoms.cell.tolist(), fractions.tolist(), atoms.numbers.tolist())
        moments = atoms.get_initial_magnetic_moments()
        if moments.any():
            symmetry = spglib.get_magnetic_symmetry((*cell, moments.tolist()), _SYMPREC)
        else:
            symmetry = spglib.get_symmetry(cell, _SYMPREC)
        if symmetry is None:
            rotations = np.eye(3, dtype=np.int64)[None]
            return cls(fractions, rotations, np.zeros((1, 3)), np.arange(len(atoms)))
        return cls(
            fractions,
            symmetry["rotations"].astype(np.int64),
            symmetry["translations"],
            symmetry["equivalent_atoms"].astype(np.int64),
        )

    def representative(self, sites: NDArray[np.int64]) -> tuple[int, ...]:
        """Return the first of the sets of atoms that are equivalent to a set."""
        if len(sites) == 1:
            return (int(self.equivalent[sites[0]]),)
        images = np.einsum("mij,kj->mki", self.rotations, self.fractions[sites])
        images = _inside(images + self.translations[:, None])
        _, atoms = KDTree(self.fractions, boxsize=1.0).query(images)
        ordered = np.sort(atoms, axis=1)
        return tuple(ordered[np.lexsort(ordered.T[::-1])[0]].tolist())


def _inside(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wrap fractional coordinates into [0, 1), whatever the rounding errors."""
    wrapped = fractions % 1.0
    return np.where(wrapped >= 1.0, 0.0, wrapped)
