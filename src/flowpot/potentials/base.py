"""What every potential can do, whichever package trained it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.collapse import check_predictable
from flowpot.potentials.calculator import PotentialCalculator
from flowpot.potentials.geometry import Geometry
from flowpot.potentials.verlet import VerletList


@dataclass(frozen=True, eq=False)
class Prediction:
    """
    What potentials predict for n frames of A atoms in all, in float64.

    A committee's arrays have one more axis in front: the member.

    Parameters
    ----------
    energy
        Total energies, shape (n,), in eV.
    forces
        Forces, shape (A, 3), in eV/A.
    stress
        Stress, shape (n, 3, 3), in eV/A^3, positive under tension (ASE's sign);
        NaN for a frame without a periodic axis or without a volume.
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


class Potential(ABC):
    """
    A trained potential.

    A backend gives the neighbour graph of some frames, and the prediction for such a
    graph. Potentials whose `graph_key` is the same read the same graphs, so that a
    committee builds each of them once.

    Examples
    --------
    >>> potential = load_potential("silicon.model")  # doctest: +SKIP
    >>> potential.evaluate(Dataset.read("frames.xyz")).energy  # doctest: +SKIP
    """

    backend: ClassVar[str]
    device: str
    species: tuple[str, ...]
    """The chemical symbols it knows, by atomic number."""
    cutoff: float
    """The radius within which two atoms are neighbours, in A."""

    @property
    def reference_energies(self) -> dict[str, float]:
        """Energy that it gives to each isolated atom (eV), where it says so."""
        return {}

    @property
    @abstractmethod
    def graph_key(self) -> Hashable:
        """What its graphs depend on."""

    @abstractmethod
    def build_graph(self, geometry: Geometry, skin: float = 0.0) -> Any:
        """
        Find the neighbours of every atom of some frames.

        With a skin (A), also those somewhat beyond the cutoff, in a graph of one frame
        whose ``moved`` gives the graph of a later step: see `VerletList`.
        """

    @abstractmethod
    def evaluate_graph(self, graph: Any) -> Prediction:
        """Predict for a graph that `build_graph` made."""

    @abstractmethod
    def describe_graph(self, graph: Any) -> NDArray[np.float64]:
        """Return the features that the model has of each atom, shape (A, D)."""

    def evaluate(self, dataset: Dataset, batch_size: int | None = None) -> Prediction:
        """
        Predict the energy, forces and stress of every frame.

        Parameters
        ----------
        dataset
            The frames.
        batch_size
            Atoms per batch, at most (a larger frame is a batch of its own). It
            changes the speed and the memory, never the result. None: what is fast on
            the potential's device.

        Raises
        ------
        ValueError
            Where a frame has an element that the potential does not know.
        """
        members = evaluate_members([self], dataset, batch_size)
        return Prediction(members.energy[0], members.forces[0], members.stress[0])

    def descriptors(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> NDArray[np.float64]:
        """
        Describe every frame: the mean over its atoms of what the model learnt of them.

        Frames that are near each other in these features are alike to the potential.
        They do not change with translations, with the order of the atoms, and with
        repetition of the cell; nor with rotations, but for architectures that learn
        this rather than have it, such as PET.

        Parameters
        ----------
        dataset
            The frames.
        batch_size
            Atoms per batch: see `evaluate`.

        Returns
        -------
        ndarray
            Shape (n, D), without units. D is the model's: two potentials' descriptors
            are not to be compared.

        Raises
        ------
        NotImplementedError
            Where the model does not give its features.
        """
        means = []
        for atoms, features in self.atom_features(dataset, batch_size):
            starts = dataset.offsets[:-1]
            starts = starts[(starts >= atoms.start) & (starts < atoms.stop)]
            sizes = np.diff(np.append(starts, atoms.stop))
            sums = np.add.reduceat(features, starts - atoms.start)
            means.append(sums / sizes[:, None])
        return np.concatenate(means) if means else np.empty((0, 0))

    def atom_features(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """
        Describe every atom, whole frames at a time.

        Parameters
        ----------
        dataset, batch_size
            As in `descriptors`, which is the mean of these over the atoms of a frame.

        Yields
        ------
        tuple
            Which atoms of the dataset, and their features, shape (A, D).
        """
        self.check_species(dataset.numbers)
        check_predictable(dataset)
        for frames in batches(
            dataset.n_atoms, batch_size or default_batch_size([self])
        ):
            geometry = Geometry.of_dataset(dataset[frames])
            start, stop = dataset.offsets[[frames.start, frames.stop]]
            features = self.describe_graph(self.build_graph(geometry))
            yield slice(int(start), int(stop)), features

    def evaluate_atoms(
        self, atoms: Atoms, neighbours: VerletList | None = None
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """
        Predict for one frame, as molecular dynamics needs it, step after step.

        Parameters
        ----------
        atoms
            The frame.
        neighbours
            Of the steps before; None searches for them.

        Returns
        -------
        tuple
            Energy (eV), forces (N, 3) (eV/A) and stress (3, 3) (eV/A^3).
        """
        self.check_species(atoms.numbers)
        geometry = Geometry.of_atoms(atoms)
        check_predictable(Arrays.of_atoms(atoms))
        graph = neighbours.graph(geometry) if neighbours else self.build_graph(geometry)
        found = self.evaluate_graph(graph)
        return float(found.energy[0]), found.forces, found.stress[0]

    def calculator(self, skin: float = 0.0) -> PotentialCalculator:
        """
        Return an ASE calculator.

        Parameters
        ----------
        skin
            In A, for molecular dynamics: neighbours are searched for again only when
            the atoms have moved that far, with the same result. 0 suits frames that
            have nothing to do with each other.
        """
        return PotentialCalculator(self, skin)

    def check_species(self, numbers: NDArray[np.int64]) -> None:
        """Refuse atomic numbers that the potential was not trained on."""
        found = {chemical_symbols[z] for z in np.unique(numbers)}
        if unknown := sorted(found.difference(self.species)):
            raise ValueError(
                f"the frames have {', '.join(unknown)}, which the potential was not "
                f"trained on (it knows {', '.join(self.species)}): train one on labels "
                "that include them"
            )


def evaluate_members(
    potentials: Sequence[Potential], dataset: Dataset, batch_size: int | None = None
) -> Prediction:
    """
    Predict with every member of a committee, building each graph once.

    Parameters
    ----------
    potentials
        The members, of any backends.
    dataset
        The frames.
    batch_size
        Atoms per batch: see `Potential.evaluate`.

    Returns
    -------
    Prediction
        Energies (M, n), forces (M, A, 3) and stress (M, n, 3, 3).
    """
    if not potentials:
        raise ValueError("no potentials to evaluate: give at least one")
    for potential in potentials:
        potential.check_species(dataset.numbers)
    check_predictable(dataset)
    shape = len(potentials), len(dataset), len(dataset.numbers)
    energy, forces, stress = _empty(*shape)
    size = batch_size or default_batch_size(potentials)
    for frames in batches(dataset.n_atoms, size):
        atoms = slice(dataset.offsets[frames.start], dataset.offsets[frames.stop])
        geometry = Geometry.of_dataset(dataset[frames])
        graphs: dict[Hashable, Any] = {}
        for member, potential in enumerate(potentials):
            key = potential.graph_key
            if key not in graphs:
                graphs[key] = potential.build_graph(geometry)
            found = potential.evaluate_graph(graphs[key])
            energy[member, frames] = found.energy
            forces[member, atoms] = found.forces
            stress[member, frames] = found.stress
    return Prediction(energy, forces, stress)


def batches(n_atoms: NDArray[np.int64], size: int) -> Iterator[slice]:
    """
    Cut a row of frames into batches of at most `size` atoms, in order.

    Examples
    --------
    >>> [(b.start, b.stop) for b in batches(np.array([8, 8, 8, 64, 1]), 16)]
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    if size < 1:
        raise ValueError(f"batch_size is {size}: give the atoms of a batch, 1 or more")
    start, atoms = 0, 0
    for frame, n in enumerate(n_atoms):
        if frame > start and atoms + n > size:
            yield slice(start, frame)
            start, atoms = frame, 0
        atoms += n
    if start < len(n_atoms):
        yield slice(start, len(n_atoms))


def _empty(members: int, frames: int, atoms: int) -> tuple[NDArray[np.float64], ...]:
    return (
        np.empty((members, frames)),
        np.empty((members, atoms, 3)),
        np.empty((members, frames, 3, 3)),
    )


def default_batch_size(potentials: Sequence[Potential]) -> int:
    """Return the atoms per batch that are fast: a GPU wants many, a CPU's cache few."""
    on_cpu = any(potential.device == "cpu" for potential in potentials)
    return 256 if on_cpu else 4096
