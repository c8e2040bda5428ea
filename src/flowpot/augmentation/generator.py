"""What every generator of frames takes, and what it gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from monty.json import MSONable
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import inherited, with_moments
from flowpot.dataset import Dataset
from flowpot.randomness import derive_rng


@dataclass(frozen=True)
class Parent:
    """
    One input structure, and what frames are made of.

    Parameters
    ----------
    cell
        The input, with vacuum along its open directions.
    supercell
        Its supercell.
    fingerprint
        Fingerprint of the input as it was given: the ``parent`` of every frame made
        from it.
    label
        How messages name it.
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
        Their elements, by atomic number.
    seed
        From which each generator's randomness is derived.
    vacuum
        Vacuum along open directions, in A.
    min_distance
        Shortest distance allowed between two atoms, as a fraction of the sum of their
        covalent radii.
    notes
        What is odd about the inputs.
    moments
        Mean size of the initial moments of each element in the inputs that have any
        (Bohr magnetons): frames that are made of elements alone have them, too.
    """

    parents: tuple[Parent, ...]
    species: tuple[str, ...]
    seed: int
    vacuum: float
    min_distance: float
    notes: tuple[str, ...] = ()
    moments: Mapping[str, float] = field(default_factory=dict)

    def of_elements(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """Return frames that are made of elements alone the elements' moments."""
        return with_moments(frames, self.moments)

    def rng(self, *path: str | int) -> np.random.Generator:
        """Return a Generator that depends on the seed and the path, on nothing else."""
        return derive_rng(self.seed, *path)


@dataclass(frozen=True)
class Batch:
    """
    Frames that one generator made, from one parent where it has one.

    Parameters
    ----------
    frames
        Unlabelled, with their metadata.
    source
        Generator and parent: where randomness that follows is derived from.
    rejected
        How many frames were drawn and thrown away, for atoms too close.
    turned
        How many displacements were turned to keep atoms apart.
    notes
        What could not be made, and why.
    """

    frames: Dataset
    source: tuple[str, ...] = ()
    rejected: int = 0
    turned: int = 0
    notes: tuple[str, ...] = ()


class Generator(MSONable, ABC):
    """A kind of frames, with the parameters by which they are made."""

    kind: ClassVar[str]
    """Names the generator in seeds and counts."""

    @abstractmethod
    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the frames."""


class ParentGenerator(Generator):
    """A kind of frames made from each input structure on its own."""

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the frames of each parent; each parent has its own randomness."""
        for parent in inputs.parents:
            source = (self.kind, parent.fingerprint)
            made = self.from_parent(parent, inputs, inputs.rng(*source))
            frames = made.frames
            if len(frames):
                frames = frames.with_info(parent=parent.fingerprint)
            yield replace(made, frames=frames, source=source)

    @abstractmethod
    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Make the frames of one parent."""


@dataclass(frozen=True)
class Frames:
    """
    n frames of the same atoms, some of which may be missing from some frames.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n, N) or (N,).
    positions
        Shape (n, N, 3), in A.
    cell
        Shape (n, 3, 3), in A.
    pbc
        Shape (3,).
    info
        Columns of metadata.
    present
        Which atoms each frame has, shape (n, N); all where None.
    parent
        The structure whose sites these are: frames inherit its moments, charge and
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
        """Return them as an unlabelled Dataset."""
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
    """Return frames as a Dataset with a config_type and further columns."""
    made = Dataset.from_atoms(list(frames), labels=False)
    return made.with_info(config_type=config_type, **info) if len(made) else made
