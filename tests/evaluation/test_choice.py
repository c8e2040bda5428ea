"""What is recorded of the frames that are sent to be labelled."""

import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.evaluation import Selection
from flowpot.evaluation.choice import PILOT, Judged, chosen_frames


def test_a_pilot_and_what_is_drawn_are_one_sample_and_the_rest_has_no_chance(
    committee, copper
):
    """Drawn: 4 + 3 of 40 accepted frames, 2 + 2 of 20 flagged; 3 more were picked."""
    frames = copper(60, 300, config_type="md").without_labels()
    accepted = np.arange(60) < 40
    calm = np.zeros(60)
    names = ("energy", "forces", "stress", "forces_max")
    judged = Judged(frames, committee, dict.fromkeys(names, calm), accepted)
    pilot = [0, 1, 2, 3, 40, 41]
    labelled = Dataset.concatenate([copper(2, 900), copper(60, 300)[pilot]])
    kinds = np.array([None, None, *[PILOT] * len(pilot)], dtype=object)
    selection = Selection(
        selected=np.array([50, 51, 52, 53, 54]),
        audit=np.array([10, 11, 12]),
        selected_probability=np.array([0.1, np.nan, 0.1, np.nan, np.nan]),
        audit_probability=0.08,
        n_over=20,
        n_wrecked=0,
        n_insane=0,
    )
    free = ~np.isin(np.arange(60), pilot)
    chosen, rows = chosen_frames(
        judged, selection, labelled.with_info(selection=kinds), free
    )
    assert len(chosen) == 8
    probability = dict(
        zip(rows.fingerprints, rows.info["selection_probability"], strict=True)
    )
    of = [probability[f] for f in frames.fingerprints[[10, 0, 50, 52, 40]]]
    assert of == pytest.approx([7 / 40, 7 / 40, 4 / 20, 4 / 20, 4 / 20])
    picked = [probability[f] for f in frames.fingerprints[[51, 53, 54]]]
    assert np.isnan(picked).all()
