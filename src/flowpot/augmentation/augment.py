"""Structures in, frames out: run the generators, check and count their frames."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from flowpot.augmentation.generator import Batch, Generator, dataset_of
from flowpot.augmentation.inputs import Inputs, prepare_inputs
from flowpot.augmentation.kinds.substitution import Substitution
from flowpot.augmentation.supercell import Supercells
from flowpot.dataset import Dataset
from flowpot.dataset.geometry.vacuum import open_cells
from flowpot.validation import elements, names, one_of, positive


@dataclass(frozen=True)
class Augmented:
    """
    Frames, and the account of how they came about.

    Parameters
    ----------
    frames
        The frames, unlabelled, no two alike.
    rejected
        Number of frames thrown away: by generator those whose atoms were too close,
        and as ``duplicate`` those identical to another.
    turned
        Number of displacements turned in another direction to keep atoms apart.
    notes
        Sentences that say what could not be made, and why.
    n_inputs
        Number of distinct input structures.
    """

    frames: Dataset
    rejected: dict[str, int] = field(default_factory=dict)
    turned: int = 0
    notes: tuple[str, ...] = ()
    n_inputs: int = 0

    @property
    def species(self) -> list[str]:
        """Symbols of the elements in the frames, by atomic number."""
        return [chemical_symbols[z] for z in np.unique(self.frames.numbers)]

    @property
    def counts(self) -> dict[str, int]:
        """Number of frames of each config_type."""
        return dict(Counter(self.frames.info["config_type"].tolist()))


def augment(
    structures: Any,
    generators: Iterable[Generator],
    *,
    seed: int = 0,
    supercell: Supercells | None = None,
    substitution: Substitution | None = None,
    without: Collection[str] = (),
    vacuum: float = 15.0,
    min_distance: float | None = None,
) -> Augmented:
    """
    Make many frames of a few structures.

    Parameters
    ----------
    structures
        Anything that `Dataset.load` takes: ASE Atoms, pymatgen Structures and
        Molecules, lists of these, a Dataset, a file.
    generators
        The kinds of frames to make. Each draws from randomness of its own, derived
        from `seed` and the input: leaving one out does not change the others.
    seed
        Seed of the randomness: the same seed gives the same frames.
    supercell
        Size of the supercells that frames are made of; None to make them of the inputs
        as they are.
    substitution
        How atoms of different elements are swapped in the frames so made, or None.
    without
        ``"input"`` to leave out the (repeated) inputs, ``"isolated_atom"`` to leave out
        the isolated atoms, of which there is one for each element.
    vacuum
        Least vacuum along every open direction, in A.
    min_distance
        Shortest distance between two atoms, as a fraction of the sum of their covalent
        radii; None is :data:`flowpot.dataset.geometry.closeness.MIN_DISTANCE_MADE`.

    Returns
    -------
    Augmented
        The frames. Each has a ``config_type``, the fingerprint of its input as
        ``parent`` (if it is made of one), and the parameters by which it was made.

    Raises
    ------
    ValueError
        If an input has atoms too close, if a generator cannot keep the atoms of its
        frames apart, or if no frame was made.

    Notes
    -----
    Frames inherit their input's initial moments, charge and multiplicity, as
    `flowpot.augmentation.inheritance` says. Isolated atoms, clusters, dimers and random
    structures, which are of no input, are neutral, and have the mean size of each
    element's moments in the inputs.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from flowpot.augmentation import Distortions
    >>> augment(bulk("Si", cubic=True), [Distortions(n_frames=10)]).counts
    {'isolated_atom': 1, 'input': 1, 'distorted': 7, 'vacancy': 3}
    """
    names(without=without)
    for kind in without:
        one_of(("input", "isolated_atom"), without=kind)
    inputs = prepare_inputs(
        structures,
        seed=seed,
        supercell=supercell,
        vacuum=vacuum,
        min_distance=min_distance,
    )
    batches = [
        Batch(
            dataset_of([parent.supercell], "input", parent=parent.fingerprint),
            ("input", parent.fingerprint),
        )
        for parent in inputs.parents
        if "input" not in without
    ]
    for generator in generators:
        batches += generator.generate(inputs)
    if substitution is not None:
        batches += list(substitution.generate(inputs, batches))
    if "isolated_atom" not in without:
        # First, so that an input that is such an atom does not replace it.
        made = [np.unique(batch.frames.numbers) for batch in batches]
        numbers = {atomic_numbers[symbol] for symbol in inputs.species}.union(*made)
        species = [chemical_symbols[z] for z in sorted(numbers)]
        atoms = inputs.of_elements(isolated_atoms(species, vacuum=inputs.vacuum))
        frames = dataset_of(atoms, "isolated_atom")
        batches.insert(0, Batch(frames, ("isolated_atom",)))
    return _joined(batches, inputs)


def isolated_atoms(species: Sequence[str], *, vacuum: float = 15.0) -> list[Atoms]:
    """
    Return one atom of each element, alone in a box.

    Parameters
    ----------
    species
        Element symbols.
    vacuum
        Side of the cubic box, in A: the distance between periodic images.

    Raises
    ------
    ValueError
        If a symbol is no element's, or `vacuum` is not positive.
    """
    elements(species=species)
    positive(vacuum=vacuum)
    atoms = [Atoms(symbol, cell=[vacuum] * 3, pbc=False) for symbol in species]
    for atom in atoms:
        atom.center()
    return atoms


def _joined(batches: Sequence[Batch], inputs: Inputs) -> Augmented:
    """Join batches, add vacuum, drop duplicates, and count."""
    rejected: Counter[str] = Counter()
    for batch in batches:
        rejected[batch.source[0]] += batch.rejected
    notes = (*inputs.notes, *(note for batch in batches for note in batch.notes))
    parts = [batch.frames for batch in batches if len(batch.frames)]
    if not parts:
        raise ValueError(
            "nothing was made: switch on a generator that applies to these structures. "
            + " ".join(notes)
        )
    joined = Dataset.concatenate(parts)
    if not joined.pbc.all():
        cell, positions = open_cells(joined, inputs.vacuum)
        joined = Dataset(**{**joined.fields, "cell": cell, "positions": positions})
    frames = joined.deduplicate()
    rejected["duplicate"] = len(joined) - len(frames)
    counted = {kind: n for kind, n in rejected.items() if n}
    turned = sum(batch.turned for batch in batches)
    return Augmented(frames, counted, turned, notes, len(inputs.parents))
