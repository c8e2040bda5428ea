"""The input structures as generators see them: with vacuum, and as supercells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from flowpot.augmentation.inheritance import mean_moments, with_moments
from flowpot.augmentation.supercell import Supercells
from flowpot.dataset import Dataset
from flowpot.dataset.electronic_state import bare
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.dataset.geometry.vacuum import add_vacuum, empty_directions
from flowpot.randomness import derive_rng
from flowpot.validation import at_least, positive
from flowpot.validation import seed as check_seed


@dataclass(frozen=True)
class Parent:
    """
    One input structure, and the supercell that frames are made of.

    Parameters
    ----------
    cell
        The input, with vacuum along its open directions.
    supercell
        The supercell of `cell`.
    fingerprint
        Fingerprint of the input as it was given: the ``parent`` of every frame made
        of it.
    label
        How messages name the input.
    """

    cell: Atoms
    supercell: Atoms
    fingerprint: str
    label: str


@dataclass(frozen=True)
class Inputs:
    """
    All that generators work on.

    Parameters
    ----------
    parents
        The input structures.
    species
        Symbols of the elements in the inputs, by atomic number.
    seed
        Seed of the stage, from which each generator's randomness is derived.
    vacuum
        Least vacuum along open directions, in A.
    min_distance
        Shortest distance allowed between two atoms, as a fraction of the sum of their
        covalent radii.
    notes
        Sentences about inputs that may not be meant as they are.
    moments
        Mean size of the initial moments of each element in the inputs that have any, or
        a multiplicity (Bohr magnetons), for frames that are made of elements rather
        than of an input.
    """

    parents: tuple[Parent, ...]
    species: tuple[str, ...]
    seed: int
    vacuum: float
    min_distance: float
    notes: tuple[str, ...] = ()
    moments: Mapping[str, float] = field(default_factory=dict)

    def of_elements(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """Return frames that are made of elements, with the moments of these."""
        return with_moments(frames, self.moments)

    def rng(self, *path: str | int) -> np.random.Generator:
        """Return a random generator that depends on the seed and the path alone."""
        return derive_rng(self.seed, *path)


def prepare_inputs(
    structures: Any,
    *,
    seed: int = 0,
    supercell: Supercells | None = None,
    vacuum: float = 15.0,
    min_distance: float | None = None,
) -> Inputs:
    """
    Add vacuum to the inputs, and make their supercells.

    Parameters
    ----------
    structures, seed, supercell, vacuum, min_distance
        As for `augment`.

    Raises
    ------
    ValueError
        If there is no structure, or two atoms of one are too close.
    """
    positive(vacuum=vacuum)
    at_least(0, min_distance=min_distance)
    check_seed(seed=seed)
    dataset = checked_structures(structures, min_distance)
    parents, notes = [], []
    for number, atoms in enumerate(dataset):
        label = _label(number, atoms)
        cell = add_vacuum(bare(atoms), vacuum)
        if cell.pbc.any() and (empty := empty_directions(cell)):
            notes.append(
                f"{label}: periodic along cell vectors {empty} but empty there: "
                "strained and repeated as a crystal; if that is vacuum, set its pbc to "
                "False"
            )
        repeated = cell if supercell is None else supercell.of(cell)
        copies = len(repeated) // len(cell)
        if copies > 1 and (charge := cell.info.get("charge")):
            notes.append(
                f"{label}: its charge of {charge:g} is that of each cell, and "
                f"{copies * charge:g} that of its supercell; to charge a supercell "
                "once, give the supercell, and set supercell=None"
            )
        parents.append(Parent(cell, repeated, str(dataset.fingerprints[number]), label))
    return Inputs(
        parents=tuple(parents),
        species=tuple(chemical_symbols[z] for z in np.unique(dataset.numbers)),
        seed=seed,
        vacuum=vacuum,
        min_distance=made_distance(min_distance),
        notes=tuple(notes),
        moments=mean_moments(parent.cell for parent in parents),
    )


def checked_structures(structures: Any, min_distance: float | None) -> Dataset:
    """
    Load structures, drop repeated ones, and refuse those with atoms too close.

    Parameters
    ----------
    structures
        As for `augment`.
    min_distance
        Shortest distance between two atoms, as for `augment`.

    Raises
    ------
    ValueError
        If there is no structure, or two atoms of one are too close.
    """
    shortest = made_distance(min_distance)
    dataset = Dataset.load(structures).deduplicate()
    if not len(dataset):
        raise ValueError("no structures to augment: give at least one")
    for number, atoms in enumerate(dataset):
        contact = closest_contact(atoms, within=shortest) if shortest else 1
        if contact < shortest:
            raise ValueError(
                f"{_label(number, atoms)}: two atoms are {contact:.2g} of the sum of "
                f"their covalent radii apart, and min_distance is {shortest}: mend "
                "the structure, or lower min_distance"
            )
    return dataset


def _label(number: int, atoms: Atoms) -> str:
    return f"input {number} ({atoms.get_chemical_formula(empirical=True)})"
