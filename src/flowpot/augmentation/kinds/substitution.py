"""Chemical disorder: atoms of different elements change places."""

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
from flowpot.dataset.electronic_state import ASE_MAGMOMS
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.validation import fraction as check_fraction

_ATTEMPTS = 20
_SOURCES = ("input", "distorted", "strained", "vacancy", "thermal", "slab")
"""Kinds of frames in which atoms are swapped; clusters are disordered already."""


def substitute(
    atoms: Atoms, rng: np.random.Generator, *, fraction: float = 0.2
) -> Atoms:
    """
    Swap atoms of different elements.

    Parameters
    ----------
    atoms
        Two elements at least.
    rng
        Where the randomness comes from.
    fraction
        Share of the atoms that change their element; fewer where a minority element
        has too few atoms to swap with, two at least.

    Raises
    ------
    ValueError
        Where there is only one element.
    """
    check_fraction(fraction=fraction)
    if len(set(atoms.numbers)) < 2:  # noqa: PLR2004
        raise ValueError(
            f"{atoms.get_chemical_formula()} has one element, so that swapping atoms "
            "changes nothing: leave substitution out"
        )
    made = atoms.copy()
    made.calc = None
    order = swap_order(atoms.numbers, fraction, rng)
    made.numbers = atoms.numbers[order]
    if atoms.has(ASE_MAGMOMS):
        # An atom takes its moment with it.
        moments = atoms.get_initial_magnetic_moments()
        made.set_initial_magnetic_moments(moments[order])
    return made


def swap_order(
    numbers: NDArray[np.int64], fraction: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """
    Swap pairs of unlike atoms, each atom once at most: which comes to which site.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (N,).
    fraction
        Share of the atoms that take part.
    rng
        Where the randomness comes from.
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
    Swap atoms of different elements in some of the frames made by other generators.

    Parameters
    ----------
    structures_fraction
        Probability with which a frame is taken. The frame itself stays.
    switches_fraction
        Largest share of its atoms that then change their element; shares are uniform
        from one swap up to this.
    """

    structures_fraction: float = 0.2
    switches_fraction: float = 0.2

    kind: ClassVar[str] = "substituted"

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_fraction(
            structures_fraction=self.structures_fraction,
            switches_fraction=self.switches_fraction,
        )

    def generate(self, inputs: Inputs, batches: Sequence[Batch]) -> Iterator[Batch]:
        """Make the frames, from what is periodic or molecular, not from clusters."""
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
        made, rejected, kept, changed, lost = [], 0, [], [], 0
        for number, atoms in enumerate(frames):
            if len(set(atoms.numbers)) < 2:  # noqa: PLR2004
                continue
            fraction = self.switches_fraction * rng.random()
            for _ in range(_ATTEMPTS):
                new = substitute(atoms, rng, fraction=fraction)
                if closest_contact(new, within=max(min_distance, 0.1)) >= min_distance:
                    made.append(new)
                    kept.append(number)
                    changed.append(float(np.mean(new.numbers != atoms.numbers)))
                    break
                rejected += 1
            else:
                lost += 1
        notes = _notes(lost, source)
        chosen = frames[np.array(kept, dtype=np.int64)]
        if not made:
            return Batch(chosen, source, rejected, notes=notes)
        swapped = Dataset.from_atoms(made, labels=False)
        moved = {name: getattr(swapped, name) for name in ("numbers", "magmoms")}
        new_frames = Dataset(**chosen.fields | moved).with_info(
            config_type=self.kind,
            substituted_from=chosen.info["config_type"],
            substituted_fraction=changed,
        )
        return Batch(new_frames, source, rejected, notes=notes)


def _notes(lost: int, source: tuple[str, ...]) -> tuple[str, ...]:
    """Say how many frames no swap was found for."""
    if not lost:
        return ()
    made_by = " of input ".join(source[1:])
    note = (
        f"{lost} frames ({made_by}) were not substituted: swaps bring atoms too close"
    )
    return (note,)
