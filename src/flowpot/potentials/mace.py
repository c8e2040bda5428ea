"""MACE potentials, evaluated in batches."""

import io
import warnings
from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from ase.data import chemical_symbols
from matscipy.neighbours import neighbour_list
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.cells import periodic_cell, volume_ratio
from flowpot.dataset.geometry.neighbours import pairs_within
from flowpot.potentials.base import Potential
from flowpot.potentials.device import keep_freed_memory, resolve_device
from flowpot.potentials.prediction import Prediction

with warnings.catch_warnings():
    # e3nn and MACE warn of torch.load's `weights_only` as they are imported.
    warnings.simplefilter("ignore")
    import mace.modules  # noqa: F401  (a model file unpickles to its classes)


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """
    Neighbours of the atoms of n frames, each in a fully periodic cell.

    Parameters
    ----------
    frames
        The frames, with the cells of `periodic_cell`.
    edges
        Atoms at either end of each edge, shape (2, E).
    unit_shifts
        Number of cell vectors between them, shape (E, 3).
    shifts
        The same in A, shape (E, 3).
    frame
        Frame of each atom, shape (A,).
    volume_ratio
        Factor from each cell's stress to the frame's, shape (n,).
    cutoff
        Cutoff of the potential, in A.
    """

    frames: Arrays
    edges: NDArray[np.int64]
    unit_shifts: NDArray[np.float64]
    shifts: NDArray[np.float64]
    frame: NDArray[np.int64]
    volume_ratio: NDArray[np.float64]
    cutoff: float

    def moved(self, frames: Arrays) -> Self:
        """Return the graph of moved frames: the edges that are within the cutoff."""
        cells = np.stack(
            [
                periodic_cell(frames.positions[rows], cell, pbc, self.cutoff)
                for rows, cell, pbc in zip(
                    frames.rows, frames.cell, frames.pbc, strict=True
                )
            ]
        )
        i, j = self.edges
        if len(cells) == 1:
            shifts = self.unit_shifts @ cells[0]
        else:
            of_edge = cells[self.frame[i]]
            shifts = np.einsum("ek,ekx->ex", self.unit_shifts, of_edge)
        near = pairs_within(self.cutoff, frames.positions, i, j, shifts)
        ratios = [
            volume_ratio(periodic, cell, pbc)
            for periodic, cell, pbc in zip(cells, frames.cell, frames.pbc, strict=True)
        ]
        return replace(
            self,
            frames=_in_cells(frames, cells),
            edges=self.edges.take(near, axis=1),
            unit_shifts=self.unit_shifts.take(near, axis=0),
            shifts=shifts.take(near, axis=0),
            volume_ratio=np.array(ratios),
        )

    @classmethod
    def joined(cls, graphs: Sequence[Self]) -> Self:
        """Join graphs of one frame each into one graph of all of these frames."""
        frames = Arrays.joined([graph.frames for graph in graphs])
        first = frames.offsets[:-1]
        edges = [graph.edges + n for graph, n in zip(graphs, first, strict=True)]
        return cls(
            frames=frames,
            edges=np.concatenate(edges, axis=1),
            unit_shifts=np.concatenate([graph.unit_shifts for graph in graphs]),
            shifts=np.concatenate([graph.shifts for graph in graphs]),
            frame=np.repeat(np.arange(len(graphs)), frames.n_atoms),
            volume_ratio=np.concatenate([graph.volume_ratio for graph in graphs]),
            cutoff=graphs[0].cutoff,
        )


class MACEPotential(Potential):
    """
    A model that ``mace_run_train`` wrote.

    MACE is always given fully periodic cells, in which non-periodic axes have vacuum
    (see `periodic_cell`): by itself it replaces non-periodic cell vectors by vectors
    of hundreds of A, and divides the virial by their volume.

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
        model = deepcopy(model).to(self.device).eval()
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
        return cls.from_bytes(Path(path).read_bytes(), device)

    @property
    def reference_energies(self) -> dict[str, float]:
        """The E0s it was trained with (eV)."""
        return dict(zip(self.species, self.atomic_energies.tolist(), strict=True))

    @property
    def graph_key(self) -> Hashable:
        """The cutoff: graphs do not depend on species and precision."""
        return "mace", self.cutoff

    def build_graph(self, frames: Arrays, skin: float = 0.0) -> NeighbourGraph:
        """Find the neighbours of every atom, with matscipy as MACE does."""
        edges, unit_shifts, shifts, cells, ratios = [], [], [], [], []
        for rows, cell, pbc in zip(frames.rows, frames.cell, frames.pbc, strict=True):
            positions = frames.positions[rows]
            periodic = periodic_cell(positions, cell, pbc, self.cutoff + skin)
            i, j, shift = neighbour_list(
                "ijS",
                cutoff=self.cutoff + skin,
                positions=positions,
                cell=periodic,
                pbc=(True, True, True),
            )
            if skin:  # one order of the edges, whenever they were searched for
                order = np.lexsort((*shift.T, j, i))
                i, j, shift = i[order], j[order], shift[order]
            edges.append(np.stack([i, j]).astype(np.int64) + rows.start)
            unit_shifts.append(shift.astype(float))
            shifts.append(unit_shifts[-1] @ periodic)
            cells.append(periodic)
            ratios.append(volume_ratio(periodic, cell, pbc))
        return NeighbourGraph(
            frames=_in_cells(frames, np.stack(cells)),
            edges=np.concatenate(edges, axis=1),
            unit_shifts=np.concatenate(unit_shifts),
            shifts=np.concatenate(shifts),
            frame=np.repeat(np.arange(len(frames)), frames.n_atoms),
            volume_ratio=np.array(ratios),
            cutoff=self.cutoff,
        )

    def evaluate_graph(self, graph: NeighbourGraph) -> Prediction:
        """Run the model once."""
        out = self.model(self._tensors(graph), compute_stress=True)
        ratio = graph.volume_ratio[:, None, None]
        return Prediction(
            energy=self._energy(graph, out),
            forces=_numpy(out["forces"]),
            stress=_numpy(out["stress"]).reshape(-1, 3, 3) * ratio,
        )

    def describe_graph(self, graph: NeighbourGraph) -> NDArray[np.float64]:
        """Return the scalars among the node features, of all layers."""
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
            "shifts": graph.shifts,
            "unit_shifts": graph.unit_shifts,
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


def _in_cells(frames: Arrays, cells: NDArray[np.float64]) -> Arrays:
    """Put frames into other cells, all of which are periodic to MACE."""
    return Arrays(frames.numbers, frames.positions, cells, frames.pbc, frames.offsets)


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


def _default_head(heads: list[str]) -> int:
    """Return the head that fine-tuning has trained: it comes after ``pt_head``."""
    names = [str(head).lower() for head in heads]
    return names.index("default") if "default" in names else len(names) - 1


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().numpy().astype(np.float64)
