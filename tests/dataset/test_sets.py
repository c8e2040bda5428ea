"""Frames are told apart by where they come from."""

import numpy as np
from ase.build import bulk

from flowpot.campaign.inputs import joined_frames
from flowpot.dataset import Dataset
from flowpot.dataset.sets import origin_name, origins_of, sets_of, without_audits


def frames(**info):
    n = len(next(iter(info.values()), [0] * 3))
    return Dataset.from_atoms([bulk("Cu")] * n).with_info(**info)


def test_only_molecular_dynamics_with_its_iteration_is_explored():
    dataset = frames(
        config_type=np.array(["strained", "md", None, "md", "md", "dimer"], object),
        iteration=np.array([np.nan, 2, np.nan, 10, np.nan, 3]),
    )
    assert origins_of(dataset).tolist() == [0, 2, 0, 10, 0, 0]
    assert [origin_name(k) for k in (0, 2, 10)] == [
        "augmented",
        "explored 2",
        "explored 10",
    ]


def test_a_dataset_that_states_nothing_is_what_a_campaign_began_with():
    assert origins_of(frames()).tolist() == [0, 0, 0]


def test_a_column_of_the_user_with_this_name_may_hold_anything():
    given = np.array(["gen-0", None, 4], object)
    dataset = frames(config_type=np.full(3, "md", object), iteration=given)
    assert origins_of(dataset).tolist() == [0, 0, 4]


def test_audits_of_an_earlier_campaign_train_in_a_new_one():
    """Their rounds would hide the audits of the new campaign."""
    frames = Dataset.from_atoms([bulk("Cu", a=3.5 + 0.1 * i) for i in range(4)])
    frames = frames.with_info(
        split=["train", "audit", "val", None], audit_round=[None, 5, None, None]
    )
    assert without_audits(frames).tolist() == ["train", "train", "val", None]
    given = Dataset.load(joined_frames(frames))
    audits = frames[[1]].with_info(split="audit", audit_round=1)
    both = Dataset.concatenate([given.with_info(split=["train"] * 4), audits])
    assert sets_of(both)[-1] == "audit"
    assert list(given.info["split"]) == ["train", "train", "val", None]
