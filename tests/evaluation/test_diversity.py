"""Farthest-point sampling against its definition, and descriptors of real models."""

import numpy as np
import pytest
import torch
from ase.build import bulk
from scipy.spatial.distance import cdist

from flowpot.dataset import Dataset
from flowpot.evaluation import describe, farthest_points
from flowpot.potentials.mace import MACEPotential


def by_definition(points, k, known):
    """Each point the farthest from all before it, by the full distance matrix."""
    chosen: list[int] = []
    for _ in range(k):
        before = np.concatenate([known, points[chosen]])
        chosen.append(int(cdist(points, before).min(axis=1).argmax()))
    return chosen


def test_each_point_is_the_farthest_from_all_before(rng):
    points, known = rng.normal(size=(200, 6)), rng.normal(size=(100, 6))
    found = farthest_points(points, 30, known)
    assert found.tolist() == by_definition(points, 30, known)
    # Far from the origin the products of the norms would lose the distances.
    far = farthest_points(points + 1e6, 30, known + 1e6)
    assert far.tolist() == found.tolist()


def test_without_known_points_the_outermost_comes_first(rng):
    points = rng.normal(size=(100, 3))
    found = farthest_points(points, 10)
    outermost = np.linalg.norm(points - points.mean(axis=0), axis=1).argmax()
    assert found[0] == outermost
    assert found[1:].tolist() == by_definition(points, 9, points[[outermost]])


def test_copies_are_not_chosen(rng):
    points = rng.normal(size=(10, 4))
    copies = np.concatenate([points, points, points])
    assert sorted(farthest_points(copies, 30) % 10) == list(range(10))
    assert len(farthest_points(copies, 30, known=points[:7])) == 3
    assert len(farthest_points(points, 5, known=points)) == 0
    assert len(farthest_points(points[:0], 5)) == 0


@pytest.fixture(scope="module")
def potential(random_mace):
    torch.set_num_threads(1)
    return MACEPotential(random_mace(1, dtype="float64"), "cpu")


@pytest.fixture
def crystals():
    """Silicon, rattled more and more; the last five are larger."""
    frames = [bulk("Si", cubic=True) for _ in range(20)]
    for i, atoms in enumerate(frames):
        atoms.rattle(0.02 * (i + 1), seed=i)
    frames[15:] = [atoms * (2, 1, 1) for atoms in frames[15:]]
    return frames


def chosen_of(potential, frames):
    points = describe([potential], Dataset.from_atoms(frames), Dataset.from_atoms([]))
    return farthest_points(points.frames, 6).tolist()


def test_the_choice_knows_neither_orientation_nor_order_nor_size(
    potential, crystals, rng
):
    chosen = chosen_of(potential, crystals)
    turned = []
    for atoms in crystals:
        other = atoms[rng.permutation(len(atoms))] * (1, 1, 2)
        other.rotate(37.0, (1, 2, 3), rotate_cell=True)
        turned.append(other)
    assert chosen_of(potential, turned) == chosen
    order = rng.permutation(len(crystals))
    again = chosen_of(potential, [crystals[i] for i in order])
    assert order[again].tolist() == chosen


class Mute(MACEPotential):
    """A model that keeps its features to itself, as some exported ones do."""

    def describe_graph(self, graph):
        raise NotImplementedError("the model has no output 'features'")


def test_a_member_that_cannot_describe_is_passed_over(potential):
    mute = Mute(potential.model, "cpu")
    frames = Dataset.from_atoms([bulk("Si")])
    expected = describe([potential], frames, frames)
    found = describe([mute, potential], frames, frames)
    assert found.frames == pytest.approx(expected.frames)
    with pytest.raises(ValueError, match=r"no output 'features'\): use the method"):
        describe([mute, mute], frames, frames)
