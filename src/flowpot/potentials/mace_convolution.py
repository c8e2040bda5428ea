"""MACE's convolution: messages along edges, summed over the neighbours of each atom."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from e3nn import o3

_UNEVEN = 1.25
"""Rows are shortened if they have so many times as many places as there are edges."""


@dataclass(frozen=True, eq=False)
class Rows:
    """
    The edges by receiving atom, in R rows of K places.

    An atom has as many rows as its edges need, most often one. What is left of a row
    repeats its last edge, so that no atom reads numbers of another frame.

    Attributes
    ----------
    edges
        (R K,) edge in each place.
    pairs
        (R K,) pair of that edge; edge n + P is pair n from behind.
    senders
        (R K,) the atom that sends along the edge.
    counted
        (R, K, 1) 1, or 0 where an edge is repeated.
    receivers
        (R,) atom of each row. None: there is one row for each atom, in order.
    """

    edges: torch.Tensor
    pairs: torch.Tensor
    senders: torch.Tensor
    counted: torch.Tensor
    receivers: torch.Tensor | None

    @classmethod
    def of(cls, edge_index: torch.Tensor, n_atoms: int, dtype: torch.dtype) -> Self:
        """
        Arrange edges.

        Parameters
        ----------
        edge_index
            (2, 2P) sender and receiver of each edge.
        n_atoms
            Number of atoms.
        dtype
            Type of `counted`.
        """
        senders, receivers = edge_index
        n_edges, device = len(receivers), receivers.device
        counts = torch.bincount(receivers, minlength=n_atoms)
        length = _row_length(counts, n_edges)
        n_rows = (counts + (length - 1)) // length
        atoms = torch.repeat_interleave(n_rows)
        of_atom = torch.arange(len(atoms), device=device)
        of_atom -= (n_rows.cumsum(0) - n_rows)[atoms]
        start = (counts.cumsum(0) - counts)[atoms] + length * of_atom
        last = (counts[atoms] - length * of_atom - 1)[:, None]
        place = torch.arange(length, device=device)
        order = receivers.argsort(stable=True)
        edges = order[start[:, None] + torch.minimum(place, last)].flatten()
        single = len(atoms) == n_atoms and length >= int(counts.max())
        return cls(
            edges=edges,
            pairs=torch.where(edges < n_edges // 2, edges, edges - n_edges // 2),
            senders=senders[edges],
            counted=(place <= last).to(dtype)[:, :, None],
            receivers=None if single else atoms,
        )


def _row_length(counts: torch.Tensor, n_edges: int) -> int:
    """Choose a length of rows: that of the longest, or less if few are that long."""
    longest = max(1, int(counts.max()))
    if longest * len(counts) <= _UNEVEN * n_edges:
        return longest
    lengths = {-(-longest // parts) for parts in (1, 2, 3, 4, 6, 8, 12, 16)}
    return min(lengths, key=lambda n: n * int(((counts + (n - 1)) // n).sum()))


class RowsOfGraph:
    """The `Rows` of the graph that a model evaluates, for all of its layers."""

    def __init__(self) -> None:
        self._edge_index: torch.Tensor | None = None
        self._rows: Rows

    def __call__(
        self, edge_index: torch.Tensor, n_atoms: int, dtype: torch.dtype
    ) -> Rows:
        """Arrange the edges, unless they are those of the last call."""
        if edge_index is not self._edge_index:
            self._rows = Rows.of(edge_index, n_atoms, dtype)
            self._edge_index = edge_index
        return self._rows


class Convolution(torch.nn.Module):
    """
    Weighted products of features and spherical harmonics, summed over edges.

    The same as e3nn's tensor product of each edge and a sum over the edges of each
    atom. Here both are one matrix product for each row of edges: the products of single
    edges, which would be most of the memory of an evaluation, are never stored.

    Parameters
    ----------
    product
        The tensor product: see `replaces`.
    rows
        Arranges the edges.
    dtype
        Type of the model's numbers.
    """

    def __init__(self, product: Any, rows: RowsOfGraph, dtype: torch.dtype) -> None:
        super().__init__()
        self.irreps_out = product.irreps_out
        self.instructions = product.instructions
        self._rows = rows
        self._features, self._harmonics = product.irreps_in1, product.irreps_in2
        for number, path in enumerate(product.instructions):
            irreps = (
                self._features[path.i_in1].ir,
                self._harmonics[path.i_in2].ir,
                product.irreps_out[path.i_out].ir,
            )
            coupling = o3.wigner_3j(*(irrep.l for irrep in irreps), dtype=torch.float64)
            coupling = path.path_weight * coupling.transpose(0, 1).flatten(1)
            self.register_buffer(f"coupling_{number}", coupling.to(dtype))

    @property
    def numbers_per_edge(self) -> int:
        """The numbers that an edge keeps for the backward pass."""
        kept = self._features.dim
        for path in self.instructions:
            channels, irrep = self._features[path.i_in1]
            kept += channels * (1 + irrep.dim)
            kept += irrep.dim * self.irreps_out[path.i_out].ir.dim
        return kept

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        weights: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> torch.Tensor:
        """
        Return the messages that A atoms receive.

        Parameters
        ----------
        features
            (A, ...) features of the atoms.
        harmonics
            (2P, ...) spherical harmonics of the edges.
        weights
            (2P, ...) weights of the edges, or (P, ...) of the pairs.
        edge_index
            (2, 2P) sender and receiver of each edge.
        """
        rows = self._rows(edge_index, len(features), features.dtype)
        n_rows, length, _ = rows.counted.shape
        sent = [part.index_select(0, rows.senders) for part in self._parts(features)]
        harmonics = harmonics.index_select(0, rows.edges) * rows.counted.flatten(0, 1)
        directions = harmonics.split([irrep.dim for _, irrep in self._harmonics], 1)
        of_pairs = len(weights) < edge_index.shape[1]
        in_rows = weights.index_select(0, rows.pairs if of_pairs else rows.edges)
        channels = [self._features[path.i_in1].mul for path in self.instructions]
        of_paths = in_rows.split(channels, 1)
        messages = []
        for number, path in enumerate(self.instructions):
            irrep = self.irreps_out[path.i_out].ir
            weighted = sent[path.i_in1] * of_paths[number][:, None]
            coupled = directions[path.i_in2] @ getattr(self, f"coupling_{number}")
            n_terms = length * weighted.shape[1]
            of_rows = torch.bmm(
                weighted.view(n_rows, n_terms, channels[number]).mT,
                coupled.view(n_rows, n_terms, irrep.dim),
            )
            messages.append(of_rows.flatten(1))
        summed = torch.cat(messages, dim=1)
        if rows.receivers is None:
            return summed
        of_atoms = summed.new_zeros(len(features), summed.shape[1])
        return of_atoms.index_add(0, rows.receivers, summed)

    def _parts(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Return features of each kind, (A, dimension of the irrep, channels)."""
        sizes = [channels * irrep.dim for channels, irrep in self._features]
        return [
            part.view(-1, channels, irrep.dim).mT.contiguous()
            for part, (channels, irrep) in zip(
                features.split(sizes, 1), self._features, strict=True
            )
        ]


def replaces(product: Any) -> bool:
    """Say whether `Convolution` can do what a tensor product does."""
    return type(product) is o3.TensorProduct and (
        [path.i_out for path in product.instructions]
        == list(range(len(product.irreps_out)))
        and all(
            path.connection_mode == "uvu"
            and path.has_weight
            and product.irreps_in2[path.i_in2].mul == 1
            for path in product.instructions
        )
    )
