"""What the two edges of a pair have in common, computed once for both."""

import warnings
from typing import Any

import torch

with warnings.catch_warnings():
    # e3nn and MACE warn of torch.load's `weights_only` as they are imported.
    warnings.simplefilter("ignore")
    from mace import modules

from flowpot.potentials.mace_convolution import Convolution, RowsOfGraph, replaces

OF_EDGES_ONLY = (modules.MACE, modules.ScaleShiftMACE)
"""Models whose energy depends on positions through the vectors of the edges alone."""
_PLAIN = (
    modules.blocks.RealAgnosticInteractionBlock,
    modules.blocks.RealAgnosticResidualInteractionBlock,
)
"""Blocks whose radial networks read the embedding of the length, and nothing else."""
_DENSITY = (
    modules.blocks.RealAgnosticDensityInteractionBlock,
    modules.blocks.RealAgnosticDensityResidualInteractionBlock,
)
"""Such blocks, in which another network reads it too, and sums over the edges."""
_CONVOLVING = (
    *_PLAIN,
    *_DENSITY,
    modules.blocks.RealAgnosticAttResidualInteractionBlock,
    modules.blocks.RealAgnosticResidualNonLinearInteractionBlock,
)
"""Blocks that let another convolution sum over the edges."""


class _OncePerPair(torch.nn.Module):
    """
    A part of a model that sees the two edges of a pair alike: computed for one of them.

    The second half of the edges are the pairs of the first half, from behind.

    Parameters
    ----------
    part
        The part.
    doubled
        Whether values are returned for each edge, or for each pair.
    """

    def __init__(self, part: torch.nn.Module, *, doubled: bool = True) -> None:
        super().__init__()
        self.part, self.doubled = part, doubled

    def returned(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values of pairs, or those of all edges."""
        return torch.cat([values, values]) if self.doubled else values


class _RadialNetwork(_OncePerPair):
    """A function of the length of an edge."""

    def forward(self, edge_feats: torch.Tensor) -> torch.Tensor:
        return self.returned(self.part(edge_feats[: len(edge_feats) // 2]))


class _RadialEmbedding(_OncePerPair):
    """A function of the length of an edge and of the elements at its ends."""

    def forward(
        self,
        lengths: torch.Tensor,
        node_attrs: torch.Tensor,
        edges: torch.Tensor,
        atomic_numbers: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        n = len(lengths) // 2
        values, cutoff = self.part(
            lengths[:n], node_attrs, edges[:, :n], atomic_numbers
        )
        return self.returned(values), None if cutoff is None else self.returned(cutoff)


class _SphericalHarmonics(_OncePerPair):
    """Even and odd functions of the direction of an edge."""

    def __init__(self, part: torch.nn.Module) -> None:
        super().__init__(part)
        irreps: Any = part.irreps_out
        signs = torch.cat(
            [torch.full((n * irrep.dim,), irrep.p) for n, irrep in irreps]
        )
        self.register_buffer("signs", signs, persistent=False)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        values = self.part(vectors[: len(vectors) // 2])
        return torch.cat([values, values * self.signs])


def compute_once_per_pair(model: Any) -> None:
    """Replace what two edges of a pair have in common, unless it has been replaced."""
    if any(isinstance(part, _OncePerPair) for part in model.modules()):
        return
    blocks, rows = model.interactions, RowsOfGraph()
    dtype = next(model.parameters()).dtype
    for block in blocks:
        if type(block) in _CONVOLVING and replaces(block.conv_tp):
            block.conv_tp = Convolution(block.conv_tp, rows, dtype)
            block.conv_fusion = True  # tells MACE that it sums over the edges, too
    edges_only = type(model) in OF_EDGES_ONLY
    of_pairs = edges_only and all(
        type(block) in _PLAIN and isinstance(block.conv_tp, Convolution)
        for block in blocks
    )
    for block in blocks:
        if type(block) in (*_PLAIN, *_DENSITY) and not of_pairs:
            block.conv_tp_weights = _RadialNetwork(block.conv_tp_weights)
    if edges_only:
        model.spherical_harmonics = _SphericalHarmonics(model.spherical_harmonics)
        embedding = _RadialEmbedding(model.radial_embedding, doubled=not of_pairs)
        model.radial_embedding = embedding


def summed_over_pairs(
    tensors: dict[str, torch.Tensor], slopes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return forces and virials, in float64.

    Parameters
    ----------
    tensors
        The graph, with 2P edges.
    slopes
        (2P, 3) derivative of the energy with respect to each edge's vector (eV/A).

    Returns
    -------
    tuple
        Forces (A, 3) in eV/A; virials (n, 3, 3) in eV, positive under tension: the
        derivative of the energy with respect to the strain.
    """
    n_pairs = len(slopes) // 2
    pulls = (slopes[:n_pairs] - slopes[n_pairs:]).double()
    first, second = tensors["edge_index"][:, :n_pairs]
    positions = tensors["positions"].double()
    vectors = positions[second] - positions[first] + tensors["shifts"][:n_pairs]
    forces = torch.zeros_like(positions)
    forces.index_add_(0, first, pulls).index_add_(0, second, -pulls)
    products = (vectors[:, :, None] * pulls[:, None]).flatten(1)
    virial = products.new_zeros(len(tensors["head"]), 9)
    virial = virial.index_add_(0, tensors["batch"][first], products).view(-1, 3, 3)
    return forces, (virial + virial.mT) / 2
