"""Metatomic potentials (metatrain's PET, SOAP-BPNN...), evaluated in batches."""

import tempfile
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import vesin
from ase.data import chemical_symbols
from metatensor.torch import Labels, TensorBlock
from metatomic.torch import (
    ModelEvaluationOptions,
    ModelOutput,
    System,
    load_atomistic_model,
)
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials.base import (
    Potential,
    Prediction,
    batches,
    default_batch_size,
)
from flowpot.potentials.device import keep_freed_memory, resolve_device
from flowpot.potentials.geometry import Geometry, volume_ratio, within

_FEATURES = ("feature", "features")
"""What metatomic names a model's internal features; metatrain's models have it."""
_ENSEMBLE = "energy_ensemble"
_PAIR = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]


@dataclass(frozen=True, eq=False)
class NeighbourLists:
    """
    The neighbours of the atoms of n frames.

    Parameters
    ----------
    geometry
        The frames.
    pairs
        By frame, one array per list that the model asks for, of shape (pairs, 5): the
        two atoms, and the cells between them.
    cutoffs
        Of these lists, in A.
    """

    geometry: Geometry
    pairs: list[list[NDArray[np.int32]]]
    cutoffs: list[float]

    def moved(self, geometry: Geometry) -> Self:
        """Move the frames; of their pairs, keep those within the cutoffs."""
        kept = []
        for atoms, cell, lists in zip(
            geometry.atoms, geometry.cell, self.pairs, strict=True
        ):
            positions = geometry.positions[atoms]
            near = []
            for pairs, cutoff in zip(lists, self.cutoffs, strict=True):
                i, j = pairs[:, :2].T
                found = within(cutoff, positions, i, j, pairs[:, 2:] @ cell)
                near.append(pairs.take(found, axis=0))
            kept.append(near)
        return replace(self, geometry=geometry, pairs=kept)

    @classmethod
    def joined(cls, graphs: Sequence[Self]) -> Self:
        """Join graphs of a frame each into one of all of them."""
        return cls(
            geometry=Geometry.joined([graph.geometry for graph in graphs]),
            pairs=[pairs for graph in graphs for pairs in graph.pairs],
            cutoffs=graphs[0].cutoffs,
        )


class MetatomicPotential(Potential):
    """
    A model that metatrain exported.

    Its stress is the strain derivative of the energy over the volume of the frame's
    cell, for every periodicity; metatomic itself has one for fully periodic frames.

    Parameters
    ----------
    model
        The metatomic model.
    device
        See `load_potential`.
    """

    backend = "metatomic"

    def __init__(self, model: Any, device: str = "auto") -> None:
        self.device = resolve_device(device)
        if self.device == "cpu":
            keep_freed_memory()
        self.model = model.to(self.device)
        abilities = self.model.capabilities()
        self.dtype = getattr(torch, abilities.dtype)
        self.species = tuple(
            chemical_symbols[z] for z in sorted(abilities.atomic_types)
        )
        self._lists = self.model.requested_neighbor_lists()
        self._neighbours = tuple(
            (float(lists.engine_cutoff("angstrom")), lists.full_list)
            for lists in self._lists
        )
        self.cutoff = max(
            [cutoff for cutoff, _ in self._neighbours],
            default=abilities.engine_interaction_range("angstrom"),
        )
        self._outputs = set(abilities.outputs)

    @classmethod
    def from_bytes(cls, content: bytes, device: str = "auto") -> Self:
        """Load the content of a ``.pt`` file, which is code: trust its source."""
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch.jit's deprecation, not ours to act on
            path = Path(folder) / "model.pt"
            path.write_bytes(content)
            return cls(load_atomistic_model(path), device)

    @property
    def graph_key(self) -> Hashable:
        """The lists of neighbours that the model asks for."""
        return "metatomic", *self._neighbours

    def build_graph(self, geometry: Geometry, skin: float = 0.0) -> NeighbourLists:
        """Find the neighbours of every atom, with vesin as metatomic does."""
        pairs = []
        for frame, start in enumerate(geometry.offsets[:-1]):
            positions = geometry.positions[start : geometry.offsets[frame + 1]]
            cell = np.where(geometry.pbc[frame][:, None], geometry.cell[frame], 0.0)
            lists = []
            for cutoff, full in self._neighbours:
                reach = cutoff + skin
                found = _pairs(positions, cell, geometry.pbc[frame], reach, full=full)
                # One order of the pairs, whenever they were searched for.
                order = np.lexsort(found.T[::-1]) if skin else slice(None)
                lists.append(found[order])
            pairs.append(lists)
        return NeighbourLists(geometry, pairs, [c for c, _ in self._neighbours])

    def evaluate_graph(self, graph: NeighbourLists) -> Prediction:
        """Run the model once, and differentiate its energy."""
        found = self._energies(graph, "energy")
        return Prediction(found.energy[0], found.forces[0], found.stress[0])

    def evaluate_ensemble(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> Prediction:
        """
        Predict with each member of the model's own ensemble, as that of llpr.

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
        NotImplementedError
            Where the model has no ensemble.
        """
        if _ENSEMBLE not in self._outputs:
            raise NotImplementedError(
                f"the model has no output {_ENSEMBLE!r} (it has "
                f"{', '.join(sorted(self._outputs))}): train 'llpr' on it"
            )
        self.check_species(dataset.numbers)
        found = [
            self._energies(
                self.build_graph(Geometry.of_dataset(dataset[frames])), _ENSEMBLE
            )
            for frames in batches(
                dataset.n_atoms, batch_size or default_batch_size([self])
            )
        ]
        return Prediction(
            energy=np.concatenate([each.energy for each in found], axis=1),
            forces=np.concatenate([each.forces for each in found], axis=1),
            stress=np.concatenate([each.stress for each in found], axis=1),
        )

    def _energies(self, graph: NeighbourLists, name: str) -> Prediction:
        """Run the model for energies, one or more a frame, and differentiate each."""
        geometry = graph.geometry
        positions = self._tensor(geometry.positions).requires_grad_()
        identity = torch.eye(3, dtype=self.dtype, device=self.device)
        strain = identity.repeat(len(geometry.cell), 1, 1).requires_grad_()
        output = ModelOutput(quantity="energy", unit="eV", sample_kind="system")
        energies = self._output(graph, positions, strain, name, output)
        members = energies.shape[1]
        forces, stresses = [], []
        for member in range(members):
            slopes = torch.autograd.grad(
                energies[:, member].sum(),
                [positions, strain],
                retain_graph=member < members - 1,
                allow_unused=True,
                materialize_grads=True,
            )
            gradient, virial = (each.cpu().double().numpy() for each in slopes)
            # Architectures that learn rotations have a slightly skew virial.
            virial = (virial + virial.transpose(0, 2, 1)) / 2
            forces.append(-gradient)
            stresses.append(virial / _volumes(geometry)[:, None, None])
        return Prediction(
            energy=energies.detach().cpu().double().numpy().T,
            forces=np.stack(forces),
            stress=np.stack(stresses),
        )

    def describe_graph(self, graph: NeighbourLists) -> NDArray[np.float64]:
        """Return the output that metatomic names "feature", where the model has it."""
        name = next((n for n in _FEATURES if n in self._outputs), None)
        if name is None:
            raise NotImplementedError(
                f"the model has no output {' or '.join(map(repr, _FEATURES))} (it has "
                f"{', '.join(sorted(self._outputs))}): describe frames with a MACE "
                "potential, or with PET"
            )
        positions = self._tensor(graph.geometry.positions)
        identity = torch.eye(3, dtype=self.dtype, device=self.device)
        strain = identity.expand(len(graph.geometry.cell), 3, 3)
        with torch.no_grad():
            features = self._output(
                graph, positions, strain, name, ModelOutput(sample_kind="atom")
            )
        return features.cpu().double().numpy()

    def _output(
        self,
        graph: NeighbourLists,
        positions: torch.Tensor,
        strain: torch.Tensor,
        name: str,
        output: ModelOutput,
    ) -> torch.Tensor:
        """Run the model on strained frames for one output."""
        systems = [
            self._system(graph, frame, positions, strain[frame])
            for frame in range(len(strain))
        ]
        options = ModelEvaluationOptions(length_unit="angstrom", outputs={name: output})
        out = self.model(systems, options, check_consistency=False)
        return out[name].block().values

    def _system(
        self,
        graph: NeighbourLists,
        frame: int,
        positions: torch.Tensor,
        strain: torch.Tensor,
    ) -> System:
        """Return one frame as metatomic takes it, strained by the identity."""
        geometry = graph.geometry
        atoms = slice(int(geometry.offsets[frame]), int(geometry.offsets[frame + 1]))
        pbc = geometry.pbc[frame]
        cell = self._tensor(np.where(pbc[:, None], geometry.cell[frame], 0.0)) @ strain
        here = positions[atoms] @ strain
        types = torch.tensor(geometry.numbers[atoms].astype(np.int32))
        system = System(
            types.to(self.device), here, cell, torch.tensor(pbc).to(self.device)
        )
        for options, pairs in zip(self._lists, graph.pairs[frame], strict=True):
            samples = torch.tensor(pairs, device=self.device)
            i, j = samples[:, 0].long(), samples[:, 1].long()
            vectors = here[j] - here[i] + samples[:, 2:].to(self.dtype) @ cell
            block = TensorBlock(
                vectors.reshape(-1, 3, 1),
                samples=Labels(_PAIR, samples, assume_unique=True),
                components=[Labels.range("xyz", 3).to(self.device)],
                properties=Labels.range("distance", 1).to(self.device),
            )
            system.add_neighbor_list(options, block)
        return system

    def _tensor(self, array: NDArray[np.float64]) -> torch.Tensor:
        return torch.tensor(array, dtype=self.dtype, device=self.device)


def _pairs(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    cutoff: float,
    *,
    full: bool,
) -> NDArray[np.int32]:
    """Find the pairs of one list of neighbours, in both directions if it is full."""
    finder = vesin.NeighborList(cutoff=cutoff, full_list=full)
    i, j, shifts = finder.compute(
        points=positions, box=cell, periodic=pbc, quantities="ijS"
    )
    return np.column_stack([i, j, shifts]).astype(np.int32)


def _volumes(geometry: Geometry) -> NDArray[np.float64]:
    """Return the volumes that stress refers to; NaN where a frame has no stress."""
    volumes = np.abs(np.linalg.det(geometry.cell))
    pairs = zip(geometry.cell, geometry.pbc, strict=True)
    return volumes * [volume_ratio(cell, cell, pbc) for cell, pbc in pairs]
