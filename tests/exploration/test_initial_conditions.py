"""The draws of initial frames, conditions and driving members."""

from collections import Counter

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.exploration.initial_conditions import (
    draw_conditions,
    draw_starts,
    drivers,
    input_structures,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def family(*kinds_and_parents):
    """Frames of copper by kind, and the index of the frame that each was made from."""
    frames = []
    for i, _ in enumerate(kinds_and_parents):
        frames.append(bulk("Cu", cubic=True))
        frames[-1].rattle(0.1, seed=i)
    dataset = Dataset.from_atoms(frames)
    names = dataset.fingerprints
    parents = [None if p is None else names[p] for _, p in kinds_and_parents]
    kinds = [kind for kind, _ in kinds_and_parents]
    return dataset.with_info(config_type=kinds, parent=parents)


def test_starts_are_even_over_input_structures_and_kinds():
    """However many frames were made from each, and through how many generations."""
    many = [("distorted", 0)] * 30 + [("strained", 0)] * 6
    few = [("distorted", 1), ("strained", 1), ("md", 38), ("md", 40)]
    frames = family(("input", None), ("input", None), *many, *few)
    for seed in range(20):
        drawn = draw_starts(frames, 6, rng=rng(seed), start_from="labelled")
        roots = input_structures(frames)[drawn]
        counts = Counter(roots.tolist())
        assert sorted(counts.values()) == [3, 3]
        kinds = Counter(frames.info["config_type"][drawn].tolist())
        assert max(kinds.values()) <= 2
    first = draw_starts(frames, 6, rng=rng(), start_from="initial")
    assert "md" not in frames.info["config_type"][first]


def test_frames_without_parents_are_drawn_evenly_over_kinds():
    frames = family(*[("a", None)] * 50, *[("b", None)] * 3)
    drawn = draw_starts(frames, 6, rng=rng())
    kinds = Counter(frames.info["config_type"][drawn].tolist())
    assert kinds == {"a": 3, "b": 3}


def test_frames_called_md_are_refused_with_a_remedy():
    frames = family(("md", None), ("md", None))
    with pytest.raises(ValueError, match=r"set config_types to \['md'\]"):
        draw_starts(frames, 2, rng=rng())
    assert len(draw_starts(frames, 2, rng=rng(), config_types=["md"])) == 2


def test_lone_atoms_and_md_frames_are_never_drawn(start_frames):
    drawn = {tuple(draw_starts(start_frames, 2, rng=rng(s))) for s in range(40)}
    assert drawn == {(0, 1), (0, 2)}  # one input, one distorted


def test_all_are_taken_where_there_are_fewer(start_frames):
    assert draw_starts(start_frames, 20, rng=rng()).tolist() == [0, 1, 2]


def test_kinds_can_be_chosen(start_frames):
    found = draw_starts(start_frames, 9, rng=rng(), config_types=["distorted", "md"])
    assert found.tolist() == [1, 2, 4]
    with pytest.raises(ValueError, match=r"of \['isolated_atom'\]"):
        draw_starts(start_frames, 1, rng=rng(), config_types=["isolated_atom"])


def test_frames_without_a_kind_may_be_drawn(start_frames):
    bare = start_frames.with_info(config_type=None)
    assert draw_starts(bare, 9, rng=rng()).tolist() == [0, 1, 2, 4]


def test_conditions_from_a_range():
    drawn = draw_conditions(200, [0, 300, 1000], [-5, 5], "range", rng())
    starts, kelvin, kbar = map(np.array, zip(*drawn, strict=True))
    assert starts.tolist() == list(range(200))
    assert kelvin.min() >= 0
    assert 950 < kelvin.max() <= 1000
    assert abs(kelvin.mean() - 500) < 60
    assert -5 <= kbar.min() < -4.5


def test_conditions_from_a_list():
    drawn = draw_conditions(50, [300, 600], [0], "list", rng())
    assert {t for _, t, _ in drawn} == {300, 600}
    assert {p for _, _, p in drawn} == {0}


def test_conditions_of_a_grid():
    drawn = draw_conditions(2, [300, 600], [-1, 0, 1], "grid", rng())
    assert len(drawn) == len(set(drawn)) == 12
    arrays = np.array([300.0, 600.0]), np.array([-1.0, 0.0, 1.0])
    assert draw_conditions(2, *arrays, "grid", rng()) == drawn
    assert {type(kelvin) for _, kelvin, _ in drawn} == {float}


def test_conditions_of_the_engine_and_ramps():
    ramps = [(300, 900), (500.0, 1500.0)]
    assert draw_conditions(2, ramps[:1], None, "range", rng()) == [
        (0, (300, 900), None),
        (1, (300, 900), None),
    ]
    for _, (first, last), _ in draw_conditions(50, ramps, None, "range", rng()):
        assert 300 <= first <= 500
        assert 900 <= last <= 1500
    assert {
        t for _, t, _ in draw_conditions(50, [300, *ramps], [0], "list", rng())
    } == {*(300, (300, 900), (500, 1500))}
    grid = draw_conditions(2, ramps, None, "grid", rng())
    assert grid == [(i, ramp, None) for i in range(2) for ramp in ramps]


def test_several_runs_of_a_start():
    drawn = draw_conditions(2, [0, 1000], [0], "range", rng(), 3)
    assert [start for start, _, _ in drawn] == [0, 0, 0, 1, 1, 1]
    assert len({kelvin for _, kelvin, _ in drawn}) == 6
    assert len(draw_conditions(2, [300, 600], [0], "grid", rng(), 3)) == 12


def test_draws_are_those_of_earlier_versions():
    """A campaign that is continued draws what it would have drawn."""
    found = draw_conditions(2, (0.0, 1000.0), (-5.0, 5.0), "range", rng(1))
    generator = rng(1)
    kelvin, kbar = generator.uniform(0, 1000, 2), generator.uniform(-5, 5, 2)
    expected = zip(range(2), kelvin.round(1), kbar.round(3), strict=True)
    assert found == list(expected)


def test_drivers():
    assert drivers("all", 2, 3, rng()) == [[0, 1, 2], [0, 1, 2]]
    random = drivers("random", 5, 3, rng())
    assert len({tuple(m) for m in random}) == 1
    assert {drivers("random", 1, 3, rng(s))[0][0] for s in range(30)} == {0, 1, 2}
    turns = [m for [m] in drivers("round robin", 6, 3, rng())]
    assert sorted(turns) == [0, 0, 1, 1, 2, 2]
    assert (np.diff(turns) % 3 == 1).all()
