"""Neighbours that are not searched for at every step are the same neighbours."""

import numpy as np
import pytest

from flowpot.dataset.arrays import Arrays
from flowpot.potentials import load_potential
from flowpot.potentials.mace_graph import NeighbourGraph
from flowpot.potentials.verlet import VerletList


@pytest.fixture(scope="module", params=["mace", "metatomic"])
def potential(request, precise, random_pet, tmp_path_factory):
    if request.param == "mace":
        return precise
    path = tmp_path_factory.mktemp("pet") / "model.pt"
    random_pet(1, ("Si", "Ge"), "float64").save(str(path))
    return load_potential(path, "cpu")


def hot_trajectory(atoms, n_steps, rng):
    """Random walks of the atoms and, along periodic axes, of the cell."""
    atoms = atoms.copy()
    drift = rng.normal(0, 0.02, atoms.positions.shape)
    for _ in range(n_steps):
        strain = np.eye(3) + rng.normal(0, 0.004, (3, 3))
        cell = np.where(atoms.pbc[:, None], atoms.cell.array @ strain, atoms.cell)
        atoms.set_cell(cell, scale_atoms=atoms.cell.volume > 0)
        drift += rng.normal(0, 0.01, drift.shape)
        atoms.positions += drift
        yield atoms


def pairs_of(graph):
    """Return the set of pairs of a graph, each with the cells between its atoms."""
    if isinstance(graph, NeighbourGraph):
        lists = [np.column_stack([graph.pairs.T, graph.unit_shifts])]
    else:
        [lists] = graph.pairs
    return [{tuple(row) for row in rows.astype(int).tolist()} for rows in lists]


def count_searches(potential, monkeypatch):
    made, search = [], potential.build_graph

    def counted(geometry, skin=0.0):
        made.append(skin)
        return search(geometry, skin)

    monkeypatch.setattr(potential, "build_graph", counted)
    return made, search


def test_the_pairs_are_those_of_a_new_search(potential, frames, monkeypatch):
    rng = np.random.default_rng(3)
    made, search = count_searches(potential, monkeypatch)
    for start in frames:
        neighbours = VerletList(potential.build_graph, potential.cutoff, 1.0)
        del made[:]
        for atoms in hot_trajectory(start, 40, rng):
            geometry = Arrays.of_atoms(atoms)
            found = neighbours.graph(geometry)
            assert pairs_of(found) == pairs_of(search(geometry)), start
        assert 1 <= len(made) < 20, start


def test_predictions_are_those_of_a_new_search(potential, frames):
    rng = np.random.default_rng(4)
    for start in frames:
        neighbours = VerletList(potential.build_graph, potential.cutoff, 1.0)
        for atoms in hot_trajectory(start, 4, rng):
            followed = potential.evaluate_atoms(atoms, neighbours)
            plain = potential.evaluate_atoms(atoms)
            for one, other in zip(followed, plain, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_frame_may_have_nothing_to_do_with_the_last_one(precise, frames):
    """A calculator with a skin may be given any frame, and atoms may be wrapped."""
    calculator = precise.calculator(skin=1.0)
    wrapped = frames[0]
    wrapped.positions[2] += wrapped.cell[0]
    unlike = frames[0]
    unlike.symbols[0] = "Ge"
    for atoms in [*frames, frames[0], wrapped, unlike]:
        energy, forces, _ = precise.evaluate_atoms(atoms)
        calculator.calculate(atoms)
        assert calculator.results["energy"] == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(calculator.results["forces"], forces, atol=1e-9)


def test_no_search_without_need(precise, silicon, monkeypatch):
    made, _ = count_searches(precise, monkeypatch)
    neighbours = VerletList(precise.build_graph, precise.cutoff, 1.0)
    for step in (0.0, 0.2, 0.49, 0.51, 0.9):
        moved = silicon.copy()
        moved.positions[1, 0] += step
        neighbours.graph(Arrays.of_atoms(moved))
    assert made == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"skin is -1\.0 A"):
        VerletList(precise.build_graph, precise.cutoff, -1.0)
    with pytest.raises(ValueError, match="skin is '1': it must be a number"):
        precise.calculator(skin="1")


def test_a_cell_that_shrinks_brings_pairs_nearer(precise, silicon, monkeypatch):
    """No atom moves in the cell's own coordinates."""
    made, search = count_searches(precise, monkeypatch)
    neighbours = VerletList(precise.build_graph, precise.cutoff, 1.0)
    for scale in np.linspace(1.0, 0.7, 16):
        squeezed = silicon.copy()
        squeezed.set_cell(silicon.cell * [scale, 1.0, 1.0], scale_atoms=True)
        geometry = Arrays.of_atoms(squeezed)
        assert pairs_of(neighbours.graph(geometry)) == pairs_of(search(geometry))
    assert len(made) == 2
