import pytest
import torch
from mace.modules.irreps_tools import tp_out_irreps_with_instructions

from flowpot.potentials.mace_convolution import (  # after MACE, which readies e3nn
    Convolution,
    Rows,
    RowsOfGraph,
    replaces,
)

# isort: split
from e3nn.o3 import Irreps, TensorProduct

EVEN = [[0, 1, 2], [1, 2, 0]]
STAR = [[0] * 12 + [3], [*range(1, 13), 14]]
"""Atom 0 has twelve neighbours, 3 and 14 each other and 0, atom 13 none."""


@pytest.fixture(autouse=True)
def _double():
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(previous)


def product_of(features, l_max=2):
    harmonics = Irreps.spherical_harmonics(l_max)
    target = Irreps([(4, (ell, (-1) ** ell)) for ell in range(l_max + 1)])
    out, paths = tp_out_irreps_with_instructions(Irreps(features), harmonics, target)
    options = {"shared_weights": False, "internal_weights": False}
    return TensorProduct(features, harmonics, out, instructions=paths, **options)


def edges_of(pairs):
    pairs = torch.tensor(pairs, dtype=torch.int64).reshape(2, -1)
    return torch.cat([pairs, pairs.flip(0)], dim=1)


@pytest.mark.parametrize("pairs", [EVEN, STAR, [[], []]], ids=["even", "star", "none"])
@pytest.mark.parametrize("features", ["4x0e", "4x0e + 4x1o", "4x0e + 4x1o + 4x2e"])
@pytest.mark.parametrize("of_pairs", [True, False])
def test_equals_the_product_of_each_edge(features, pairs, of_pairs):
    """In its values, and in the derivatives by which forces are found."""
    product, edges = product_of(features), edges_of(pairs)
    assert replaces(product)
    n, n_edges = 15, edges.shape[1]
    n_weights = n_edges // 2 if of_pairs else n_edges
    given = [
        torch.randn(n, product.irreps_in1.dim, requires_grad=True),
        torch.randn(n_edges, product.irreps_in2.dim, requires_grad=True),
        torch.randn(n_weights, product.weight_numel, requires_grad=True),
    ]
    sent, harmonics, weights = given
    each = product(sent[edges[0]], harmonics, weights.repeat(1 + of_pairs, 1))
    expected = torch.zeros(n, each.shape[1]).index_add(0, edges[1], each)
    convolution = Convolution(product, RowsOfGraph(), torch.float64)
    found = convolution(*given, edges)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    slopes = torch.randn_like(found)
    torch.testing.assert_close(
        torch.autograd.grad((found * slopes).sum(), given),
        torch.autograd.grad((expected * slopes).sum(), given),
        rtol=1e-12,
        atol=1e-12,
    )


def test_rows_of_uneven_atoms_are_short():
    """One atom with many neighbours does not make the rows of all others as long."""
    edges = edges_of(STAR)
    rows = Rows.of(edges, 15, torch.float64)
    assert rows.counted.sum() == edges.shape[1]
    assert rows.counted.numel() < 2 * edges.shape[1]
    assert sorted(rows.edges[rows.counted.flatten() > 0].tolist()) == list(range(26))


def test_atoms_read_their_own_edges_alone():
    """What explodes in one frame of a batch does not reach the others."""
    product = product_of("4x0e")
    edges = edges_of([[0, 0, 2, 4], [1, 2, 1, 5]])  # a frame of three, one of two
    sent = torch.randn(7, 4)
    sent[:3] = torch.inf
    convolution = Convolution(product, RowsOfGraph(), torch.float64)
    harmonics, weights = torch.randn(8, 9), torch.randn(4, product.weight_numel)
    assert convolution(sent, harmonics, weights, edges)[3:].isfinite().all()


def test_products_of_other_kinds_stay():
    kinds = ("2x0e", "1x0e", "2x0e"), [(0, 0, 0, "uvw", True)]
    assert not replaces(TensorProduct(*kinds[0], instructions=kinds[1]))
