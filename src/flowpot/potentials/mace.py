"""MACE potentials, evaluated in batches."""

import io
from collections.abc import Hashable
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.potentials.base import Potential
from flowpot.potentials.device import keep_freed_memory, resolve_device
from flowpot.potentials.mace_graph import NeighbourGraph, find_graph
from flowpot.potentials.mace_pairs import (
    OF_EDGES_ONLY,
    compute_once_per_pair,
    summed_over_pairs,
)
from flowpot.potentials.prediction import Prediction
from flowpot.settings import given_path


class MACEPotential(Potential):
    """
    A model that ``mace_run_train`` wrote.

    MACE is always given fully periodic cells, in which non-periodic axes have vacuum
    (see `periodic_cell`): by itself it replaces non-periodic cell vectors by vectors
    of hundreds of A, and divides the virial by their volume.

    The attribute ``model`` is a changed copy, without E0s, that reads this class's
    graphs only: what the two edges of a pair have in common is computed once.

    Parameters
    ----------
    model
        The torch module, of one of the classes of mace.modules.
    device
        See `load_potential`.
    """

    backend = "mace"
    suffixes = (".model",)

    def __init__(self, model: Any, device: str = "auto") -> None:
        self.device = resolve_device(device)
        if self.device == "cpu":
            keep_freed_memory()
        model = deepcopy(model)
        compute_once_per_pair(model)
        model = model.to(self.device).eval()
        self.model = model.requires_grad_(requires_grad=False)
        self.dtype = next(self.model.parameters()).dtype
        self.cutoff = float(model.r_max)
        numbers = model.atomic_numbers.cpu().numpy()
        self.species = tuple(chemical_symbols[z] for z in numbers)
        self.heads = [str(head) for head in getattr(model, "heads", ["Default"])]
        self.head = _default_head(self.heads)
        self._index = np.full(len(chemical_symbols), -1)
        self._index[numbers] = np.arange(len(numbers))
        energies = model.atomic_energies_fn.atomic_energies.cpu().double().numpy()
        self.all_atomic_energies = np.atleast_2d(energies)
        self.atomic_energies = self.all_atomic_energies[self.head]
        block = model.atomic_energies_fn  # see _energy
        block.atomic_energies = torch.zeros_like(block.atomic_energies)

    @classmethod
    def from_bytes(cls, content: bytes, device: str = "auto") -> Self:
        """Load the content of a ``.model`` file, a pickle: trust its source."""
        model = torch.load(
            io.BytesIO(content), map_location=resolve_device(device), weights_only=False
        )
        return cls(model, device)

    @classmethod
    def from_file(cls, path: str | Path, device: str = "auto") -> Self:
        """Load a ``.model`` file."""
        return cls.from_bytes(given_path(path).read_bytes(), device)

    @property
    def reference_energies(self) -> dict[str, float]:
        """The E0s it was trained with (eV)."""
        return dict(zip(self.species, self.atomic_energies.tolist(), strict=True))

    @property
    def bytes_per_atom(self) -> float | None:
        """Memory of an evaluation at its peak, by the sizes of the model's tensors."""
        numbers = _numbers_per_atom(self.model)
        return None if numbers is None else numbers * self.dtype.itemsize

    @property
    def graph_key(self) -> Hashable:
        """The cutoff: graphs do not depend on species and precision."""
        return "mace", self.cutoff

    def build_graph(self, frames: Arrays, skin: float = 0.0) -> NeighbourGraph:
        """Find the neighbours of every atom, with matscipy as MACE does."""
        return find_graph(frames, self.cutoff, skin)

    def evaluate_graph(self, graph: NeighbourGraph) -> Prediction:
        """Run the model once."""
        tensors = self._tensors(graph)
        ratio = graph.volume_ratio[:, None, None]
        if type(self.model) not in OF_EDGES_ONLY:
            out = self.model(tensors, compute_stress=True)
            return Prediction(
                energy=self._energy(graph, out),
                forces=_numpy(out["forces"]),
                stress=_numpy(out["stress"]).reshape(-1, 3, 3) * ratio,
            )
        out = self.model(tensors, compute_force=False, compute_edge_forces=True)
        with torch.no_grad():
            forces, virial = summed_over_pairs(tensors, out["edge_forces"])
        volumes = np.abs(np.linalg.det(graph.frames.cell))[:, None, None]
        return Prediction(
            energy=self._energy(graph, out),
            forces=_numpy(forces),
            stress=_numpy(virial) / volumes * ratio,
        )

    def describe_graph(self, graph: NeighbourGraph) -> NDArray[np.float64]:
        """Return the scalars among the node features, of all layers."""
        with torch.no_grad():
            out = self.model(self._tensors(graph), compute_force=False)
        return _numpy(out["node_feats"])[:, _scalars(self.model)]

    def _energy(
        self, graph: NeighbourGraph, out: dict[str, Any]
    ) -> NDArray[np.float64]:
        """Add the atoms' energies in float64: float32 would lose their digits."""
        atoms = self.atomic_energies[self._index[graph.frames.numbers]]
        summed = np.bincount(graph.frame, atoms, minlength=len(out["energy"]))
        return _numpy(out["energy"]) + summed

    def _tensors(self, graph: NeighbourGraph) -> dict[str, torch.Tensor]:
        """Return the graph as MACE's modules read it."""
        frames = graph.frames
        species = self._index[frames.numbers]
        floats = {
            "positions": frames.positions,
            "cell": frames.cell.reshape(-1, 3),
            "shifts": np.concatenate([graph.shifts, -graph.shifts]),
            "unit_shifts": np.concatenate([graph.unit_shifts, -graph.unit_shifts]),
            "node_attrs": np.eye(len(self.species))[species],
        }
        integers = {
            "edge_index": graph.edges,
            "batch": graph.frame,
            "ptr": frames.offsets,
            "head": np.full(len(frames), self.head),
        }
        return {
            name: torch.tensor(array, dtype=dtype, device=self.device)
            for arrays, dtype in ((floats, self.dtype), (integers, torch.int64))
            for name, array in arrays.items()
        }


def _scalars(model: Any) -> list[int]:
    """List the columns of the node features that do not change with rotations."""
    columns: list[int] = []
    start = 0
    for product in model.products:
        irreps = product.linear.irreps_out
        for (_, irrep), piece in zip(irreps, irreps.slices(), strict=True):
            if irrep.is_scalar():
                columns += range(start + piece.start, start + piece.stop)
        start += irreps.dim
    return columns


def _numbers_per_atom(model: Any) -> float | None:
    """
    Estimate how many numbers per atom an evaluation keeps at its peak.

    They are kept for the backward pass. An edge has what the convolution of each layer
    keeps of it (elsewhere the message: channels x irreps of the tensor product of
    features and spherical harmonics) and the layers of the network that weights it; an
    atom has as many edges as on average in training.
    An atom has the largest intermediate of the product basis: for correlation nu and L
    = (l_max + 1)^2, channels x (2 l + 1) x L^(nu - 1) for each irrep l of the features;
    and its gradient, hence twice. Measured peaks are 0.7 to 1.0 of it, for models from
    16x0e to 128x0e + 128x1o. None: the model has other blocks.
    """
    numbers = 0.0
    try:
        for layer in model.interactions:
            weights = layer.conv_tp_weights.parameters()
            product = layer.conv_tp
            edge = getattr(product, "numbers_per_edge", product.irreps_out.dim)
            edge += sum(weight.shape[-1] for weight in weights if weight.ndim > 1)
            numbers += float(layer.avg_num_neighbors) * edge
        for product in model.products:
            for basis in product.symmetric_contractions.contractions:
                *shape, _, _ = basis.U_tensors(basis.correlation).shape
                numbers += 2 * basis.num_features * prod(shape)
    except AttributeError:
        return None
    return numbers


def _default_head(heads: list[str]) -> int:
    """Return the head that fine-tuning has trained: it comes after ``pt_head``."""
    names = [str(head).lower() for head in heads]
    return names.index("default") if "default" in names else len(names) - 1


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().numpy().astype(np.float64)
