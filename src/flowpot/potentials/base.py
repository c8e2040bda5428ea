"""What every potential can do, whichever package trained it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.collapse import check_predictable
from flowpot.potentials.batching import batches, check_request
from flowpot.potentials.device import batch_atoms
from flowpot.potentials.prediction import (
    NO_PREDICTION,
    MissingOutputError,
    Prediction,
    warn_of_nan,
)
from flowpot.potentials.verlet import VerletList


class Potential(ABC):
    """
    A trained potential.

    A backend finds the neighbour graph of some frames and predicts for such a graph.
    Potentials with the same `graph_key` read the same graphs, so that a committee
    builds each of them once. `flowpot.potentials.contract.check_potential` tests a
    backend; another package announces its own by an entry point (see
    `flowpot.potentials.registry`).

    Examples
    --------
    >>> potential = load_potential("silicon.model")  # doctest: +SKIP
    >>> potential.evaluate(Dataset.read("frames.xyz")).energy  # doctest: +SKIP
    """

    backend: ClassVar[str]
    """Name of the backend: `PotentialDoc.backend` of its models."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Endings of its model files, which no other backend has, such as ``.model``."""
    device: str
    species: tuple[str, ...]
    """Chemical symbols that it knows, by atomic number."""
    cutoff: float
    """Radius within which two atoms are neighbours, in A."""

    @classmethod
    def from_bytes(cls, content: bytes, device: str = "auto") -> Self:
        """
        Load a potential from the content of a model file.

        Parameters
        ----------
        content
            Content of the file, which may run code: trust its source.
        device
            See `flowpot.potentials.load_potential`.

        Raises
        ------
        TypeError
            If potentials of this class are not kept in files.
        """
        del content, device
        raise TypeError(f"{cls.__name__} is not loaded from a file")

    @property
    def reference_energies(self) -> dict[str, float]:
        """Energy (eV) of the isolated atom of each element, empty if not known."""
        return {}

    @property
    def bytes_per_atom(self) -> float | None:
        """Memory of an evaluation at its peak (bytes per atom); None: not known."""
        return None

    @property
    @abstractmethod
    def graph_key(self) -> Hashable:
        """Everything that its graphs depend on, besides the frames."""

    @abstractmethod
    def build_graph(self, frames: Arrays, skin: float = 0.0) -> Any:
        """
        Find the neighbours of every atom.

        Parameters
        ----------
        frames
            The frames; with a skin, one frame.
        skin
            Distance beyond the cutoff (A) within which neighbours are found, too. The
            graph is then a `flowpot.potentials.verlet.Graph`.
        """

    @abstractmethod
    def evaluate_graph(self, graph: Any) -> Prediction:
        """Predict for a graph that `build_graph` has returned."""

    @abstractmethod
    def describe_graph(self, graph: Any) -> NDArray[np.float64]:
        """
        Return the model's features of each atom, shape (A, D).

        Raises
        ------
        MissingOutputError
            If the model has no features.
        """

    def evaluate(self, dataset: Dataset, batch_size: int | None = None) -> Prediction:
        """
        Predict the energy, forces and stress of every frame.

        Parameters
        ----------
        dataset
            The frames.
        batch_size
            Largest number of atoms in a batch (a larger frame is a batch of its own).
            It changes the speed and the memory, never the result. None: a fast number
            that fits into the memory of the potential's device.

        Raises
        ------
        TypeError
            If the frames are no Dataset.
        ValueError
            If a frame has an element that the potential does not know, or `batch_size`
            is no number of atoms.
        """
        parts = [
            self.evaluate_graph(self.build_graph(dataset[frames]))
            for frames in self._batches(dataset, batch_size)
        ]
        return Prediction.joined([NO_PREDICTION, *parts])

    @property
    def has_ensemble(self) -> bool:
        """Whether the model has an ensemble of its own: see `evaluate_ensemble`."""
        return False

    def evaluate_ensemble(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> Prediction:
        """
        Predict with each member of the model's own ensemble, such as that of llpr.

        Parameters
        ----------
        dataset, batch_size
            As in `evaluate`.

        Returns
        -------
        Prediction
            Energies (M, n), forces (M, A, 3) and stress (M, n, 3, 3), as of a
            committee of M members.

        Raises
        ------
        MissingOutputError
            If the model has no ensemble.
        """
        del dataset, batch_size
        raise MissingOutputError(f"{self.backend} models have no ensemble of their own")

    def descriptors(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> NDArray[np.float64]:
        """
        Return the mean of the model's features over the atoms of every frame.

        Frames with similar descriptors are similar to the potential. Descriptors do
        not change with translations, with the order of the atoms, and with repetition
        of the cell; nor with rotations, except for architectures such as PET that
        learn this symmetry.

        Parameters
        ----------
        dataset
            The frames.
        batch_size
            Atoms per batch: see `evaluate`.

        Returns
        -------
        ndarray
            Shape (n, D), without units. D is the model's: do not compare descriptors
            of two potentials.

        Raises
        ------
        MissingOutputError
            If the model has no features.
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
        Yield the model's features of every atom, a batch of whole frames at a time.

        Parameters
        ----------
        dataset, batch_size
            As in `descriptors`.

        Yields
        ------
        tuple
            The atoms' rows in the dataset, and their features, shape (A, D).
        """
        for frames in self._batches(dataset, batch_size):
            start, stop = dataset.offsets[[frames.start, frames.stop]]
            features = self.describe_graph(self.build_graph(dataset[frames]))
            yield slice(int(start), int(stop)), features

    def _batches(self, dataset: Dataset, batch_size: int | None) -> Iterator[slice]:
        """Refuse frames that cannot be predicted; divide the others into batches."""
        check_request(dataset, batch_size)
        self.check_species(dataset.numbers)
        check_predictable(dataset)
        size = default_batch_size([self]) if batch_size is None else batch_size
        yield from batches(dataset.n_atoms, size)

    def evaluate_atoms(
        self, atoms: Atoms, neighbours: VerletList | None = None
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """
        Predict for one frame, as at each step of molecular dynamics.

        Parameters
        ----------
        atoms
            The frame.
        neighbours
            Neighbour list of the earlier steps. None: search for neighbours.

        Returns
        -------
        tuple
            Energy (eV), forces (N, 3) (eV/A) and stress (3, 3) (eV/A^3). A warning
            says so where they are NaN.

        Raises
        ------
        ValueError
            If the frame cannot be predicted: of an element that the potential does not
            know, NaN, without atoms, or with a cell that is flat or has collapsed.
        """
        self.check_species(atoms.numbers)
        frame = Arrays.of_atoms(atoms)
        check_predictable(frame)
        graph = neighbours.graph(frame) if neighbours else self.build_graph(frame)
        prediction = self.evaluate_graph(graph)
        energy, forces = float(prediction.energy[0]), prediction.forces
        warn_of_nan(frame, energy, forces)
        return energy, forces, prediction.stress[0]

    def calculator(self, skin: float = 0.0) -> "PotentialCalculator":
        """
        Return an ASE calculator.

        Parameters
        ----------
        skin
            Skin of a Verlet list (A), for molecular dynamics: neighbours are searched
            for again only after the atoms have moved that far, with the same result.
            Leave it at 0 for unrelated frames.
        """
        return PotentialCalculator(self, skin)

    def check_species(self, numbers: NDArray[np.int64]) -> None:
        """Refuse atomic numbers that the potential was not trained on."""
        symbols = {chemical_symbols[z] for z in np.unique(numbers)}
        if unknown := sorted(symbols.difference(self.species)):
            raise ValueError(
                f"the frames have {', '.join(unknown)}, which the potential was not "
                f"trained on (it knows {', '.join(self.species)}): train one on labels "
                "that include them"
            )


class PotentialCalculator(Calculator):
    """
    ASE calculator of a potential: energy, forces and, for periodic frames, stress.

    Parameters
    ----------
    potential
        The potential.
    skin
        See `Potential.calculator`.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012, ASE's

    def __init__(self, potential: Potential, skin: float = 0.0) -> None:
        super().__init__()
        self.potential = potential
        self._neighbours: VerletList | None = None
        if skin:
            search, cutoff = potential.build_graph, potential.cutoff
            self._neighbours = VerletList(search, cutoff, skin)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Predict all properties; ASE calls this again only when the atoms change."""
        super().calculate(atoms, properties, system_changes)
        energy, forces, stress = self.potential.evaluate_atoms(
            self.atoms, self._neighbours
        )
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if np.isfinite(stress).all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)


def default_batch_size(potentials: Sequence[Potential]) -> int:
    """Return a number of atoms per batch that is fast, and fits into the memory."""
    return min(
        batch_atoms(potential.device, potential.bytes_per_atom)
        for potential in potentials
    )
