"""Supercells against brute force over all superlattices."""

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule, mx2
from ase.neighborlist import neighbor_list

from flowpot.augmentation import Supercells, shortest_translation, supercell


def brute_force_shortest(cell: np.ndarray, pbc: np.ndarray, span: int = 15) -> float:
    """Shortest of all small integer combinations of the periodic vectors."""
    ranges = [range(-span, span + 1) if p else (0,) for p in pbc]
    vectors = np.array([c for c in product(*ranges) if any(c)]) @ cell
    return float(np.linalg.norm(vectors, axis=1).min())


def best_of_all(cell: np.ndarray, copies: int) -> float:
    """Longest shortest vector of any superlattice of index `copies` or less."""
    best = 0.0
    for n in range(1, copies + 1):
        for a, b in product(range(1, n + 1), repeat=2):
            if n % (a * b):
                continue
            c = n // (a * b)
            for x, y, z in product(range(b), range(c), range(c)):
                form = np.array([[a, x, y], [0, b, z], [0, 0, c]])
                best = max(best, shortest_translation(form @ cell, np.ones(3, bool)))
    return best


def test_primitive_diamond_reaches_the_length_of_its_densest_packing():
    """The reference's search stops at 12.6 A."""
    made = supercell(bulk("C", "diamond", a=3.567))
    assert len(made) <= 450
    assert shortest_translation(made.cell, made.pbc) >= 15.1
    conventional = supercell(bulk("C", "diamond", a=3.567, cubic=True))
    assert shortest_translation(conventional.cell, conventional.pbc) >= 15.1


def test_lengths_are_those_of_all_translations(zoo):
    for name, atoms in zoo.items():
        if atoms.pbc.any():
            expected = brute_force_shortest(np.array(atoms.cell), atoms.pbc)
            found = shortest_translation(atoms.cell, atoms.pbc)
            assert found == pytest.approx(expected), name


@pytest.mark.parametrize("seed", range(4))
def test_search_is_near_the_optimum(seed):
    rng = np.random.default_rng(seed)
    cell = 3 * np.eye(3) + rng.normal(size=(3, 3))
    made = supercell(Atoms("Cu", cell=cell, pbc=True), min_length=99, max_atoms=10)
    reached = shortest_translation(made.cell, made.pbc)
    assert reached >= 0.97 * best_of_all(cell, 10)


@pytest.mark.parametrize("max_atoms", [20, 60, 200])
def test_layers_reach_the_optimum(max_atoms):
    """A hexagonal lattice has hexagonal superlattices of index m^2 + mk + k^2."""
    made = supercell(graphene(a=2.46), min_length=99, max_atoms=max_atoms)
    indices = [
        m * m + m * k + k * k
        for m, k in product(range(30), repeat=2)
        if 0 < m * m + m * k + k * k <= max_atoms // 2
    ]
    expected = 2.46 * max(indices) ** 0.5
    reached = shortest_translation(made.cell, made.pbc)
    assert reached == pytest.approx(expected, rel=1e-6)


def test_the_smallest_cell_that_is_long_enough_is_taken():
    made = supercell(mx2("MoS2", a=3.18, vacuum=7.5))
    assert len(made) == 3 * 36  # sqrt(36) 3.18 = 19.1 is the first above 18 A
    # Diagonal cells need 27; no lattice of fewer than 19 is dense enough.
    assert 19 <= len(supercell(bulk("Po", "sc", a=3.3), min_length=9.8)) <= 20


def test_supercells_are_the_same_crystal(zoo):
    for name, atoms in zoo.items():
        made = supercell(atoms, min_length=9.0, max_atoms=120)
        copies = len(made) // len(atoms)
        assert len(made) == copies * len(atoms)
        per_cell = neighbor_list("d", atoms, 4.0)
        found = np.sort(neighbor_list("d", made, 4.0))
        np.testing.assert_allclose(
            found, np.sort(np.tile(per_cell, copies)), atol=1e-6, err_msg=name
        )
        if atoms.pbc.all():
            same_hand = np.linalg.det(made.cell) * np.linalg.det(atoms.cell) > 0
            assert same_hand, name
        assert (made.pbc == atoms.pbc).all()


def test_open_directions_are_not_repeated(zoo):
    slab = zoo["tilted slab"]
    made = supercell(slab, min_length=15)
    np.testing.assert_allclose(made.cell[2], slab.cell[2])
    assert np.ptp(made.positions[:, 2]) == pytest.approx(np.ptp(slab.positions[:, 2]))


def test_what_is_large_enough_or_too_large_is_left_alone(silicon):
    for atoms in (silicon * 4, molecule("C60")):
        np.testing.assert_array_equal(supercell(atoms).positions, atoms.positions)
    kept = supercell(silicon, max_atoms=7)
    np.testing.assert_array_equal(kept.positions, silicon.positions)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="min_length is 0"):
        Supercells(min_length=0)
    with pytest.raises(ValueError, match="max_atoms is 0"):
        Supercells(max_atoms=0)
