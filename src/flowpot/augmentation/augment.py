"""Structures in, frames out: run generators, and check and count what they give."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from flowpot.augmentation.generator import (
    Batch,
    Generator,
    Inputs,
    Parent,
    dataset_of,
)
from flowpot.augmentation.inheritance import mean_moments
from flowpot.augmentation.isolated import isolated_atoms
from flowpot.augmentation.substitution import Substitution
from flowpot.augmentation.supercell import Supercells
from flowpot.augmentation.vacuum import add_vacuum, open_cells
from flowpot.augmentation.validation import at_least, one_of, positive
from flowpot.dataset import Dataset
from flowpot.dataset.electronic_state import bare
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.dataset.geometry.vacuum import empty_directions


@dataclass(frozen=True)
class Augmented:
    """
    Frames, and the account of how they came about.

    Parameters
    ----------
    frames
        Unlabelled, no two alike.
    rejected
        Frames thrown away: by generator those whose atoms were too close, and those
        identical to another as ``duplicate``.
    turned
        Displacements turned in another direction to keep atoms apart.
    notes
        What could not be made, and why.
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
        """Elements of the frames, by atomic number."""
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
        from `seed` and the parent: switching one off does not change the others.
    seed
        The seed.
    supercell
        Of what size frames are made; None to make them of the inputs as they are.
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
        ``parent`` (where it has one), and the parameters by which it was made.

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
    for kind in without:
        one_of(("input", "isolated_atom"), without=kind)
    inputs = prepare_inputs(
        structures,
        seed=seed,
        supercell=supercell,
        vacuum=vacuum,
        min_distance=min_distance,
    )
    batches = _undistorted(inputs) if "input" not in without else []
    for generator in generators:
        batches += generator.generate(inputs)
    if substitution is not None:
        batches += list(substitution.generate(inputs, batches))
    if "isolated_atom" not in without:
        # First, so that an input that is such an atom does not replace it.
        batches.insert(0, _isolated(inputs, batches))
    return _joined(batches, inputs)


def prepare_inputs(
    structures: Any,
    *,
    seed: int = 0,
    supercell: Supercells | None = None,
    vacuum: float = 15.0,
    min_distance: float | None = None,
) -> Inputs:
    """
    Add vacuum and supercells to the inputs, and refuse those that make no sense.

    Parameters
    ----------
    structures, seed, supercell, vacuum, min_distance
        As for `augment`.

    Raises
    ------
    ValueError
        Where there is no structure, or one has atoms too close.
    """
    positive(vacuum=vacuum)
    at_least(0, min_distance=min_distance, seed=seed)
    dataset = checked_structures(structures, min_distance)
    parents, notes = [], []
    for number, atoms in enumerate(dataset):
        cell = add_vacuum(bare(atoms), vacuum)
        if cell.pbc.any() and len(empty := empty_directions(cell)):
            notes.append(
                f"{_label(number, atoms)}: periodic along cell vectors {empty} but "
                "empty there: strained and repeated as a crystal; if that is vacuum, "
                "set its pbc to False"
            )
        repeated = cell if supercell is None else supercell.of(cell)
        copies = len(repeated) // len(cell)
        if copies > 1 and (charge := cell.info.get("charge")):
            notes.append(
                f"{_label(number, atoms)}: its charge of {charge:g} is that of each "
                f"cell, and {copies * charge:g} that of its supercell; to charge a "
                "supercell once, give the supercell, and set supercell=None"
            )
        parents.append(
            Parent(
                cell=cell,
                supercell=repeated,
                fingerprint=str(dataset.fingerprints[number]),
                label=_label(number, atoms),
            )
        )
    species = [chemical_symbols[z] for z in np.unique(dataset.numbers)]
    return Inputs(
        tuple(parents),
        tuple(species),
        seed,
        vacuum,
        made_distance(min_distance),
        tuple(notes),
        mean_moments(parent.cell for parent in parents),
    )


def checked_structures(structures: Any, min_distance: float | None) -> Dataset:
    """
    Load structures, drop repeated ones, and refuse those with atoms too close.

    Parameters
    ----------
    structures
        As for `augment`.
    min_distance
        In sums of covalent radii, as for `augment`.
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


def _undistorted(inputs: Inputs) -> list[Batch]:
    """Return the inputs themselves, repeated."""
    return [
        Batch(
            dataset_of([parent.supercell], "input", parent=parent.fingerprint),
            ("input", parent.fingerprint),
        )
        for parent in inputs.parents
    ]


def _isolated(inputs: Inputs, batches: Sequence[Batch]) -> Batch:
    """Return one isolated atom of each element of the inputs and of their children."""
    found = {atomic_numbers[symbol] for symbol in inputs.species}
    found.update(int(z) for batch in batches for z in np.unique(batch.frames.numbers))
    species = [chemical_symbols[z] for z in sorted(found)]
    atoms = isolated_atoms(species, vacuum=inputs.vacuum)
    frames = dataset_of(inputs.of_elements(atoms), "isolated_atom")
    return Batch(frames, ("isolated_atom",))


def _joined(batches: Sequence[Batch], inputs: Inputs) -> Augmented:
    """Join batches: vacuum for all, no two frames alike, everything counted."""
    rejected: Counter[str] = Counter()
    for batch in batches:
        rejected[batch.source[0]] += batch.rejected
    notes = (*inputs.notes, *(note for batch in batches for note in batch.notes))
    made = [batch.frames for batch in batches if len(batch.frames)]
    if not made:
        raise ValueError(
            "nothing was made: switch on a generator that applies to these structures. "
            + " ".join(notes)
        )
    joined = with_vacuum(Dataset.concatenate(made), inputs.vacuum)
    frames = joined.deduplicate()
    rejected["duplicate"] = len(joined) - len(frames)
    counted = {kind: n for kind, n in rejected.items() if n}
    turned = sum(batch.turned for batch in batches)
    return Augmented(frames, counted, turned, notes, len(inputs.parents))


def with_vacuum(dataset: Dataset, vacuum: float) -> Dataset:
    """Leave vacuum along the open directions of every frame, as `add_vacuum` does."""
    if dataset.pbc.all():
        return dataset
    cell, positions = open_cells(
        dataset.cell, dataset.pbc, dataset.positions, dataset.offsets, vacuum
    )
    return Dataset(**{**dataset.fields, "cell": cell, "positions": positions})
