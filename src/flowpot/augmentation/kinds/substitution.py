"""Substitution: atoms of different elements change places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.augmentation.generator import Batch
from flowpot.augmentation.inputs import Inputs
from flowpot.dataset import Dataset
from flowpot.dataset.electronic_state import ASE_MAGMOMS, bare
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.validation import complete
from flowpot.validation import fraction as check_fraction

_ATTEMPTS = 20
"""How often swaps are drawn for a frame until atoms keep apart, at most."""
_SOURCES = ("input", "distorted", "strained", "vacancy", "thermal", "slab")
"""Kinds of frames in which atoms are swapped; those in clusters are disordered."""


def substitute(
    atoms: Atoms, rng: np.random.Generator, *, fraction: float = 0.2
) -> Atoms:
    """
    Swap atoms of different elements.

    Parameters
    ----------
    atoms
        A structure of two elements at least.
    rng
        Source of randomness.
    fraction
        Share of the atoms that change their element. Two atoms at least do, and fewer
        than this share if the other elements have too few atoms to swap with.

    Returns
    -------
    Atoms
        A copy in which atoms have taken their moments with them, without labels,
        metadata and constraints.

    Raises
    ------
    ValueError
        If there is only one element.
    """
    check_fraction(fraction=fraction)
    if len(set(atoms.numbers)) < 2:  # noqa: PLR2004
        raise ValueError(
            f"{atoms.get_chemical_formula()} has one element, so that swapping atoms "
            "changes nothing: leave substitution out"
        )
    order = swap_order(atoms.numbers, fraction, rng)
    swapped = bare(atoms, numbers=atoms.numbers[order])
    if swapped.has(ASE_MAGMOMS):
        moments = swapped.get_initial_magnetic_moments()
        swapped.set_initial_magnetic_moments(moments[order])
    return swapped


def swap_order(
    numbers: NDArray[np.int64], fraction: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """
    Draw pairs of atoms of different elements that are swapped.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (N,).
    fraction
        Share of the atoms that take part.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Index of the atom that comes to each site, shape (N,). Each atom is swapped once
        at most.
    """
    _, species = np.unique(numbers, return_inverse=True)
    most = min(len(numbers) // 2, len(numbers) - int(np.bincount(species).max()))
    n_swaps = min(max(1, round(fraction * len(numbers) / 2)), most)
    order = rng.permutation(len(numbers))
    # No element may hold more than half of the places, so that in a list sorted by
    # element the atoms k and k + n_swaps always differ.
    shuffled = species[order]
    rank = np.empty(len(order), dtype=np.int64)
    for kind in np.unique(shuffled):
        same = shuffled == kind
        rank[same] = np.arange(same.sum())
    chosen = order[rank < n_swaps][: 2 * n_swaps]
    chosen = chosen[np.argsort(species[chosen], kind="stable")]
    swaps = np.arange(len(numbers))
    swaps[chosen] = np.roll(chosen, n_swaps)
    return swaps


@dataclass(frozen=True)
class Substitution(MSONable):
    """
    Swap atoms of different elements in copies of some of the other frames.

    Parameters
    ----------
    structures_fraction
        Probability with which a frame is copied.
    switches_fraction
        Largest share of the atoms in a copy that change their element. Shares are
        uniform up to it, and at least one pair is swapped.
    """

    structures_fraction: float = 0.2
    switches_fraction: float = 0.2

    kind: ClassVar[str] = "substituted"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        check_fraction(
            structures_fraction=self.structures_fraction,
            switches_fraction=self.switches_fraction,
        )

    def generate(self, inputs: Inputs, batches: Sequence[Batch]) -> Iterator[Batch]:
        """
        Make the frames.

        Parameters
        ----------
        inputs
            The input structures.
        batches
            Frames of all generators, of which only some kinds are copied.
        """
        for batch in batches:
            if not len(batch.frames):
                continue
            source = (self.kind, *batch.source)
            rng = inputs.rng(*source)
            taken = rng.random(len(batch.frames)) < self.structures_fraction
            taken &= np.isin(batch.frames.info["config_type"].astype(str), _SOURCES)
            yield self._batch(batch.frames[taken], source, inputs.min_distance, rng)

    def _batch(
        self,
        frames: Dataset,
        source: tuple[str, ...],
        min_distance: float,
        rng: np.random.Generator,
    ) -> Batch:
        """Swap atoms in each frame of more than one element."""
        swapped, kept, shares, rejected, lost = [], [], [], 0, 0
        for number, atoms in enumerate(frames):
            if len(set(atoms.numbers)) < 2:  # noqa: PLR2004
                continue
            fraction = self.switches_fraction * rng.random()
            for _ in range(_ATTEMPTS):
                new = substitute(atoms, rng, fraction=fraction)
                if closest_contact(new, within=max(min_distance, 0.1)) >= min_distance:
                    swapped.append(new)
                    kept.append(number)
                    shares.append(float(np.mean(new.numbers != atoms.numbers)))
                    break
                rejected += 1
            else:
                lost += 1
        notes: tuple[str, ...] = ()
        if lost:
            made_by = " of input ".join(source[1:])
            why = "swaps bring atoms too close"
            notes = (f"{lost} frames ({made_by}) were not substituted: {why}",)
        originals = frames[np.array(kept, dtype=np.int64)]
        if not swapped:
            return Batch(originals, source, rejected, notes=notes)
        atoms_of = Dataset.from_atoms(swapped, labels=False)
        changed = {name: getattr(atoms_of, name) for name in ("numbers", "magmoms")}
        copies = Dataset(**originals.fields | changed).with_info(
            config_type=self.kind,
            substituted_from=originals.info["config_type"],
            substituted_fraction=shares,
        )
        return Batch(copies, source, rejected, notes=notes)
