"""Which frames train, validate and test."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from flowpot.dataset import Dataset, assign_splits


def frames(n, *, seed=0, **info):
    """Make n different frames."""
    rng = np.random.default_rng(seed)
    positions = rng.random((n, 1, 3))
    made = [Atoms("C", each, cell=[5] * 3, pbc=True) for each in positions]
    return Dataset.from_atoms(made).with_info(**info)


def sizes(dataset):
    split = dataset.info["split"].tolist()
    return [split.count(name) for name in ("train", "val", "test")]


def test_eighty_ten_ten():
    assert sizes(assign_splits(frames(200))) == [160, 20, 20]


@pytest.mark.parametrize(
    ("fractions", "expected"),
    [
        ((0.5, 0.25, 0.25), [50, 25, 25]),
        ((0.9, 0.1, 0), [90, 10, 0]),
        ((1, 0, 0), [100, 0, 0]),
    ],
)
def test_any_fractions(fractions, expected):
    assert sizes(assign_splits(frames(100), fractions=fractions)) == expected


@pytest.mark.parametrize(
    "fractions", [(0.8, 0.1), (0.8, 0.1, 0.2), (1.1, -0.1, 0), (0, 0.5, 0.5)]
)
def test_fractions_that_are_none(fractions):
    with pytest.raises(ValueError, match="shares of train, val and test, which sum"):
        assign_splits(frames(10), fractions=fractions)


def test_the_seed_decides():
    dataset = frames(100)
    first, again, other = (assign_splits(dataset, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.info["split"], again.info["split"])
    assert not np.array_equal(first.info["split"], other.info["split"])
    assert sizes(first) == sizes(other)


def test_every_frame_is_as_likely():
    """Over many seeds each frame is in each set as often as the fractions say."""
    dataset = frames(30, parent=np.repeat(list("abcdefghij"), 3))
    counts = np.zeros(30)
    for seed in range(400):
        counts += assign_splits(dataset, seed=seed).info["split"] == "test"
    # 40 expected of each, with a standard deviation of 6.
    assert counts.min() > 18
    assert counts.max() < 64


def test_inputs_and_isolated_atoms_train():
    kinds = ["input"] * 5 + ["isolated_atom"] * 3 + ["md"] * 40
    split = assign_splits(frames(48, config_type=kinds)).info["split"]
    assert (split[:8] == "train").all()
    assert sorted(split[8:].tolist()) == ["test"] * 4 + ["train"] * 32 + ["val"] * 4


def test_isolated_atoms_train_by_any_name():
    atoms = [Atoms(symbol, cell=[15] * 3, pbc=False) for symbol in ("H", "C", "N", "O")]
    dataset = Dataset.concatenate([Dataset.from_atoms(atoms), frames(20)])
    assert (assign_splits(dataset).info["split"][:4] == "train").all()


def test_each_kind_is_split_alike():
    kinds = np.repeat(["distorted", "vacancy", "cluster", "slab"], [400, 100, 50, 20])
    split = assign_splits(frames(570, config_type=kinds)).info["split"]
    for kind, n in (
        ("distorted", 400),
        ("vacancy", 100),
        ("cluster", 50),
        ("slab", 20),
    ):
        for name in ("val", "test"):
            count = np.sum(split[kinds == kind] == name)
            assert abs(count - 0.1 * n) <= 1


@pytest.mark.parametrize("children", [1, 2, 3, 4])
def test_small_groups_do_not_all_train(children):
    """As they would if each group's share were rounded by itself."""
    n = 60 * children
    parents = np.repeat(np.arange(60), children).astype(str)
    dataset = assign_splits(frames(n, config_type="distorted", parent=parents))
    assert sizes(dataset) == [0.8 * n, 0.1 * n, 0.1 * n]
    held_out = parents[dataset.info["split"] != "train"]
    # Spread over parents: no parent gives all of its several children away.
    if children > 2:
        assert np.unique(held_out, return_counts=True)[1].max() < children


def test_duplicates_share_a_set():
    dataset = frames(40)
    doubled = assign_splits(Dataset.concatenate([dataset, dataset[::-1]]))
    split = doubled.info["split"]
    assert np.array_equal(split[:40], split[40:][::-1])


def test_duplicates_of_inputs_train():
    """The reference labels copies of its inputs and tests on them."""
    dataset = frames(40).with_info(config_type=["input"] * 10 + ["substituted"] * 30)
    copies = dataset[:10].with_info(config_type="substituted")
    split = assign_splits(Dataset.concatenate([copies, dataset])).info["split"]
    assert (split[:20] == "train").all()


def test_sets_never_change():
    dataset = assign_splits(frames(50, seed=1))
    shards = [dataset]
    for iteration in range(2, 6):
        fresh = frames(30, seed=iteration)
        repeated = shards[0][:5].with_info(split=None)
        shard = Dataset.concatenate([fresh, repeated])
        shards.append(assign_splits(shard, existing=shards, seed=iteration))
        assert np.array_equal(shards[-1].info["split"][30:], dataset.info["split"][:5])
    everything = Dataset.concatenate(shards)
    again = assign_splits(everything, seed=99)
    assert np.array_equal(again.info["split"], everything.info["split"])


def test_small_shards_add_up():
    shards = [assign_splits(frames(40, seed=1))]
    for iteration in range(2, 62):
        shard = frames(1 + iteration % 3, seed=iteration)
        shards.append(assign_splits(shard, existing=shards, seed=iteration))
    train, val, test = sizes(Dataset.concatenate(shards))
    total = train + val + test
    assert abs(val - 0.1 * total) <= 2
    assert abs(test - 0.1 * total) <= 2


def test_a_users_own_sets_do_not_drive_the_draw():
    """New frames are split 80/10/10 even where all that exists trains."""
    known = frames(1000, seed=1).with_info(split="train")
    shard = assign_splits(frames(100, seed=2), existing=known)
    assert sizes(shard)[1] <= 13
    assert sizes(shard)[2] <= 13


def test_existing_frames_have_sets():
    with pytest.raises(ValueError, match="existing frames without a set"):
        assign_splits(frames(10), existing=frames(10, seed=3))


def test_unknown_sets_are_refused():
    with pytest.raises(ValueError, match="split is 'training': use one of"):
        assign_splits(frames(3).with_info(split="training"))


def test_groups_stay_together():
    names = np.repeat([f"run {i}" for i in range(20)], 5)
    dataset = frames(100, trajectory=names)
    split = assign_splits(dataset, group_by="trajectory").info["split"].reshape(20, 5)
    assert all(len(set(row)) == 1 for row in split)
    assert sizes(assign_splits(dataset, group_by="trajectory")) == [80, 10, 10]


def test_groups_stay_together_over_iterations():
    names = np.repeat([f"run {i}" for i in range(20)], 5)
    known = assign_splits(frames(100, trajectory=names), group_by="trajectory")
    later = frames(100, trajectory=names, seed=7)
    later = assign_splits(later, existing=known, group_by="trajectory", seed=8)
    assert np.array_equal(later.info["split"], known.info["split"])


def test_children_follow_a_parent_but_not_an_input():
    inputs = frames(20, seed=1, config_type="input")
    first = frames(60, seed=2, config_type="md", parent=inputs.fingerprints.repeat(3))
    known = assign_splits(Dataset.concatenate([inputs, first]), group_by="parent")
    split = known.info["split"]
    assert min(sizes(known[20:])) > 0
    assert all(len(set(row)) == 1 for row in split[20:].reshape(20, 3))
    children = frames(60, seed=3, config_type="distorted", parent=first.fingerprints)
    later = assign_splits(children, existing=known, group_by="parent")
    assert np.array_equal(later.info["split"], split[20:])


def test_a_group_is_a_column():
    with pytest.raises(ValueError, match="group_by='trajectory' is no metadata column"):
        assign_splits(frames(10), group_by="trajectory")


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_no_set_is_empty_where_frames_suffice(n):
    for seed in range(5):
        assert min(sizes(assign_splits(frames(n), seed=seed))) > 0


def test_inputs_let_two_frames_suffice():
    kinds = ["input", "md", "md"]
    assert sizes(assign_splits(frames(3, config_type=kinds))) == [1, 1, 1]


@pytest.mark.parametrize(
    ("n", "kinds", "lacking"),
    [
        (1, ["md"], 2),
        (2, ["md"] * 2, 1),
        (9, ["input"] * 9, 2),
        (2, ["input", "md"], 1),
    ],
)
def test_too_few_frames(n, kinds, lacking):
    with pytest.raises(
        ValueError, match=f"too few frames.*{lacking} more that are free"
    ):
        assign_splits(frames(n, config_type=kinds))


def test_a_late_shard_may_be_tiny():
    known = assign_splits(frames(50))
    assert sum(sizes(assign_splits(frames(1, seed=5), existing=known))) == 1
    assert len(assign_splits(frames(1)[:0], existing=known)) == 0


def test_sizes_are_reported(caplog):
    with caplog.at_level("INFO", logger="flowpot.dataset.splits"):
        dataset = assign_splits(frames(20))
    assert "{'train': 16, 'val': 2, 'test': 2}" in caplog.text
    assert dataset.describe().splits == {"train": 16, "val": 2, "test": 2}


def test_the_rest_is_untouched(silicon):
    dataset = Dataset.from_atoms([silicon, bulk("C"), bulk("Ge")]).with_info(
        a=[1, 2, 3]
    )
    new = assign_splits(dataset)
    assert np.array_equal(new.fingerprints, dataset.fingerprints)
    assert set(new.info) == {"a", "split"}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from("abc")), min_size=3),
    st.integers(0, 1000),
)
def test_sets_are_as_large_as_whole_frames_allow(groups, seed):
    counts = [count for count, _ in groups]
    dataset = frames(
        sum(counts),
        parent=np.repeat(np.arange(len(counts)), counts).astype(str),
        config_type=np.repeat([kind for _, kind in groups], counts),
    )
    shares = zip(sizes(assign_splits(dataset, seed=seed)), (0.8, 0.1, 0.1), strict=True)
    for size, share in shares:
        assert abs(size - share * len(dataset)) < 2
