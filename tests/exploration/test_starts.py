"""The draws of starts, conditions and driving members."""

import numpy as np
import pytest

from flowpot.exploration.starts import draw_conditions, draw_starts, drivers


def rng(seed=0):
    return np.random.default_rng(seed)


def test_lone_atoms_and_md_frames_are_never_drawn(start_frames):
    drawn = {tuple(draw_starts(start_frames, 2, rng=rng(s))) for s in range(40)}
    assert drawn == {(0, 1), (0, 2), (1, 2)}


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


def test_drivers():
    assert drivers("all", 2, 3, rng()) == [[0, 1, 2], [0, 1, 2]]
    random = drivers("random", 5, 3, rng())
    assert len({tuple(m) for m in random}) == 1
    assert {drivers("random", 1, 3, rng(s))[0][0] for s in range(30)} == {0, 1, 2}
    turns = [m for [m] in drivers("round robin", 6, 3, rng())]
    assert sorted(turns) == [0, 0, 1, 1, 2, 2]
    assert (np.diff(turns) % 3 == 1).all()
