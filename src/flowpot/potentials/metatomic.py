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
    load_model_extensions,
)
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.cells import volume_ratio
from flowpot.dataset.geometry.neighbours import pairs_within
from flowpot.potentials.base import Potential
from flowpot.potentials.device import keep_freed_memory, resolve_device
from flowpot.potentials.prediction import MissingOutputError, Prediction

_FEATURES = ("feature", "features")
"""Names that metatomic gives to the output of a model's internal features."""
_ENSEMBLE = "energy_ensemble"
_PAIR = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]


@dataclass(frozen=True, eq=False)
class NeighbourLists:
    """
    Neighbours of the atoms of n frames.

    Parameters
    ----------
    frames
        The frames.
    pairs
        For each frame, one array per list that the model asks for, of shape (P, 5): the
        two atoms, and the number of cell vectors between them.
    cutoffs
        Cutoffs of these lists, in A.
    """

    frames: Arrays
    pairs: list[list[NDArray[np.int32]]]
    cutoffs: list[float]

    def moved(self, frames: Arrays) -> Self:
        """Return the graph of moved frames: the pairs that are within the cutoffs."""
        kept = []
        for rows, cell, lists in zip(frames.rows, frames.cell, self.pairs, strict=True):
            positions = frames.positions[rows]
            near = []
            for pairs, cutoff in zip(lists, self.cutoffs, strict=True):
                i, j = pairs[:, :2].T
                indices = pairs_within(cutoff, positions, i, j, pairs[:, 2:] @ cell)
                near.append(pairs.take(indices, axis=0))
            kept.append(near)
        return replace(self, frames=frames, pairs=kept)

    @classmethod
    def joined(cls, graphs: Sequence[Self]) -> Self:
        """Join graphs of one frame each into one graph of all of these frames."""
        return cls(
            frames=Arrays.joined([graph.frames for graph in graphs]),
            pairs=[pairs for graph in graphs for pairs in graph.pairs],
            cutoffs=graphs[0].cutoffs,
        )


class MetatomicPotential(Potential):
    """
    A model that metatrain exported.

    Its stress is the strain derivative of the energy over the volume of the frame's
    cell, for every periodicity; metatomic itself has stress for fully periodic frames
    only.

    Parameters
    ----------
    model
        The metatomic model.
    device
        See `load_potential`.
    """

    backend = "metatomic"
    suffixes = (".pt",)

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
            warnings.simplefilter("ignore")  # metatomic uses deprecated torch.jit
            path = Path(folder) / "model.pt"
            path.write_bytes(content)
            return cls(load_atomistic_model(path), device)

    @property
    def graph_key(self) -> Hashable:
        """Cutoffs and kinds of the neighbour lists that the model asks for."""
        return "metatomic", *self._neighbours

    def build_graph(self, frames: Arrays, skin: float = 0.0) -> NeighbourLists:
        """Find the neighbours of every atom, with vesin as metatomic does."""
        pairs = []
        for rows, cell, pbc in zip(frames.rows, frames.cell, frames.pbc, strict=True):
            positions = frames.positions[rows]
            box = np.where(pbc[:, None], cell, 0.0)
            lists = []
            for cutoff, full in self._neighbours:
                finder = vesin.NeighborList(cutoff=cutoff + skin, full_list=full)
                i, j, shifts = finder.compute(
                    points=positions, box=box, periodic=pbc, quantities="ijS"
                )
                near = np.column_stack([i, j, shifts]).astype(np.int32)
                # One order of the pairs, whenever they were searched for.
                order = np.lexsort(near.T[::-1]) if skin else slice(None)
                lists.append(near[order])
            pairs.append(lists)
        return NeighbourLists(frames, pairs, [c for c, _ in self._neighbours])

    def evaluate_graph(self, graph: NeighbourLists) -> Prediction:
        """Run the model once, and differentiate its energy."""
        outputs = self._energies(graph, "energy")
        return Prediction(outputs.energy[0], outputs.forces[0], outputs.stress[0])

    @property
    def has_ensemble(self) -> bool:
        """Whether the model has an ensemble of energies, such as that of llpr."""
        return _ENSEMBLE in self._outputs

    def evaluate_ensemble(
        self, dataset: Dataset, batch_size: int | None = None
    ) -> Prediction:
        """Predict with each member: see `Potential.evaluate_ensemble`."""
        if not self.has_ensemble:
            raise MissingOutputError(
                f"the model has no output {_ENSEMBLE!r} (it has "
                f"{', '.join(sorted(self._outputs))}): train 'llpr' on it"
            )
        parts = [
            self._energies(self.build_graph(dataset[frames]), _ENSEMBLE)
            for frames in self._batches(dataset, batch_size)
        ]
        return Prediction.joined(parts, axis=1)

    def _energies(self, graph: NeighbourLists, name: str) -> Prediction:
        """Run the model for energies, one or more a frame, and differentiate each."""
        frames = graph.frames
        positions = self._tensor(frames.positions).requires_grad_()
        identity = torch.eye(3, dtype=self.dtype, device=self.device)
        strain = identity.repeat(len(frames), 1, 1).requires_grad_()
        output = ModelOutput(quantity="energy", unit="eV", sample_kind="system")
        energies = self._output(graph, positions, strain, name, output)
        members = energies.shape[1]
        # The volumes that stress refers to; NaN for a frame without stress.
        volumes = np.abs(np.linalg.det(frames.cell)) * [
            volume_ratio(cell, cell, pbc)
            for cell, pbc in zip(frames.cell, frames.pbc, strict=True)
        ]
        forces, stresses = [], []
        for member in range(members):
            slopes = torch.autograd.grad(
                energies[:, member].sum(),
                [positions, strain],
                retain_graph=member < members - 1,
                allow_unused=True,
                materialize_grads=True,
            )
            gradient, virial = (slope.cpu().double().numpy() for slope in slopes)
            # The virial of architectures that learn rotations is slightly skew.
            virial = (virial + virial.transpose(0, 2, 1)) / 2
            forces.append(-gradient)
            stresses.append(virial / volumes[:, None, None])
        return Prediction(
            energy=energies.detach().cpu().double().numpy().T,
            forces=np.stack(forces),
            stress=np.stack(stresses),
        )

    def describe_graph(self, graph: NeighbourLists) -> NDArray[np.float64]:
        """Return the output that metatomic names "feature", where the model has it."""
        name = next((n for n in _FEATURES if n in self._outputs), None)
        if name is None:
            raise MissingOutputError(
                f"the model has no output {' or '.join(map(repr, _FEATURES))} (it has "
                f"{', '.join(sorted(self._outputs))}): describe frames with a MACE "
                "potential, or with PET"
            )
        positions = self._tensor(graph.frames.positions)
        identity = torch.eye(3, dtype=self.dtype, device=self.device)
        strain = identity.expand(len(graph.frames), 3, 3)
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
        frames = graph.frames
        rows, pbc = frames.rows[frame], frames.pbc[frame]
        cell = self._tensor(np.where(pbc[:, None], frames.cell[frame], 0.0)) @ strain
        here = positions[rows] @ strain
        types = torch.tensor(frames.numbers[rows].astype(np.int32))
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


def load_extensions(content: bytes, folder: Path) -> None:
    """
    Load the compiled extensions that a model needs into this process.

    Parameters
    ----------
    content
        Content of the model's file.
    folder
        Folder with the extensions, as metatrain leaves it.
    """
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.pt"
        path.write_bytes(content)
        load_model_extensions(str(path), str(folder))
