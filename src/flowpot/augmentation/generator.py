"""What every kind of frames is: a generator, which extends one of two base classes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import inherited
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.dataset import Dataset
from flowpot.plugins import registered

ENTRY_POINTS = "flowpot.generators"
"""The group of entry points by which other packages' generators are found."""

_KINDS = "flowpot.augmentation.kinds"
_GENERATORS = {
    "Alloys": f"{_KINDS}.alloy",
    "Clusters": f"{_KINDS}.cluster",
    "Dimers": f"{_KINDS}.dimer",
    "Distortions": f"{_KINDS}.distortion",
    "RandomStructures": f"{_KINDS}.random_structure",
    "Slabs": f"{_KINDS}.slab",
    "Strains": f"{_KINDS}.distortion",
    "ThermalDisplacements": f"{_KINDS}.thermal",
    "Vacancies": f"{_KINDS}.vacancy",
}


@dataclass(frozen=True)
class Batch:
    """
    Frames that one generator made, from one input if it works on one at a time.

    Parameters
    ----------
    frames
        The frames, unlabelled, with their metadata.
    source
        The generator's `kind`, then what the frames were made of (the fingerprint of
        the input, or elements). Randomness of later steps is derived from it.
    rejected
        Number of frames that were drawn and thrown away because atoms were too close.
    turned
        Number of displacements that were turned in another direction to keep atoms
        apart.
    notes
        Sentences that say what could not be made, and why.
    """

    frames: Dataset
    source: tuple[str, ...] = ()
    rejected: int = 0
    turned: int = 0
    notes: tuple[str, ...] = ()


class Generator(MSONable, ABC):
    """
    A kind of frames, with the parameters by which they are made.

    A generator is a frozen dataclass. An own one goes into `extra` of
    `AugmentationMaker`; :mod:`flowpot.augmentation.contract` tests whether it does what
    the stage relies on. Extend :class:`ParentGenerator` if frames are made of each
    input on its own, and this class otherwise.
    """

    kind: ClassVar[str]
    """Name of the generator in seeds and counts, unlike that of any other."""

    @abstractmethod
    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """
        Make the frames.

        Parameters
        ----------
        inputs
            The input structures. Randomness comes from `inputs.rng(self.kind, ...)`.

        Returns
        -------
        iterator of Batch
            Each has a `source` that begins with `kind`, and frames whose atoms are at
            least `inputs.min_distance` apart. Their ``config_type`` says what they
            are, their ``parent`` is the fingerprint of the input that they are made of.
        """


class ParentGenerator(Generator):
    """A kind of frames that is made of each input structure on its own."""

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the frames of each input, each with randomness of its own."""
        for parent in inputs.parents:
            source = (self.kind, parent.fingerprint)
            batch = self.from_parent(parent, inputs, inputs.rng(*source))
            frames = batch.frames
            if len(frames):
                frames = frames.with_info(parent=parent.fingerprint)
            yield replace(batch, frames=frames, source=source)

    @abstractmethod
    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """
        Make the frames of one input.

        Parameters
        ----------
        parent
            The input. An input that this kind of frames cannot be made of is no error:
            return an empty batch whose note says so.
        inputs
            The limits that frames keep: `min_distance` and `vacuum`.
        rng
            Source of randomness, derived from the seed, the kind and the input.

        Returns
        -------
        Batch
            Frames with a ``config_type``; `generate` adds the source and ``parent``.
        """


@dataclass(frozen=True)
class Frames:
    """
    Frames of the same N sites, as arrays; an atom may be missing from some of them.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n, N) or (N,).
    positions
        Positions in A, shape (n, N, 3).
    cell
        Cell vectors in A, shape (n, 3, 3).
    pbc
        Which cell vectors are periodic, shape (3,).
    info
        Columns of metadata, each of length n.
    present
        Which atoms each frame has, shape (n, N); None for all of them.
    parent
        The structure whose sites these are. Frames inherit its moments, charge and
        multiplicity (see `flowpot.augmentation.inheritance`).
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    info: Mapping[str, Any] = field(default_factory=dict)
    present: NDArray[np.bool_] | None = None
    parent: Atoms | None = None

    def dataset(self) -> Dataset:
        """Return the frames as an unlabelled Dataset."""
        n, size = self.positions.shape[:2]
        numbers = np.broadcast_to(self.numbers, (n, size))
        present = self.present
        if present is None:
            present = np.ones((n, size), bool)
        state: dict[str, Any] = {}
        if self.parent is not None:
            state = inherited(self.parent, numbers, present)
            state["magmoms"] = state["magmoms"][present]
        return Dataset(
            numbers=numbers[present],
            positions=self.positions[present],
            cell=self.cell,
            pbc=np.tile(self.pbc, (n, 1)),
            offsets=np.concatenate([[0], np.cumsum(present.sum(axis=1))]),
            info=self.info,
            **state,
        )


def dataset_of(frames: Sequence[Atoms], config_type: str, **info: Any) -> Dataset:
    """
    Return frames as an unlabelled Dataset.

    Parameters
    ----------
    frames
        The frames; none gives an empty Dataset.
    config_type
        Kind of all the frames.
    **info
        Further columns of metadata: a value for each frame, or one for all.
    """
    dataset = Dataset.from_atoms(list(frames), labels=False)
    if not len(dataset):
        return dataset
    return dataset.with_info(config_type=config_type, **info)


def generators() -> dict[str, type[Generator]]:
    """
    List the generators: flowpot's own, and those of other packages.

    Another package names its own in the group ``flowpot.generators`` of its entry
    points.

    Returns
    -------
    dict
        The classes by their names.

    Raises
    ------
    TypeError
        If an entry point is no :class:`Generator`.
    """
    return registered(ENTRY_POINTS, _GENERATORS, Generator)
