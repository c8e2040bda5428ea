"""What sections that need the models say where these say nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from flowpot import Dataset
from flowpot.report import frame_sections
from flowpot.report.frame_sections import frames_map


@pytest.fixture
def campaign(monkeypatch):
    """A campaign with one trained member, which describes frames as told."""
    member = SimpleNamespace(model=object())
    committee = SimpleNamespace(members=[member])
    monkeypatch.setattr(frame_sections, "is_trained", lambda _: True)
    potential = SimpleNamespace()
    monkeypatch.setattr(frame_sections, "load_potential", lambda _: potential)

    def describe(descriptors):
        potential.descriptors = lambda _: descriptors
        return SimpleNamespace(committee=lambda: committee)

    return describe


@pytest.fixture
def frames():
    cells = [bulk("Si", a=5.4 + i / 10) for i in range(4)]
    return Dataset.from_atoms(cells).with_info(split="test", config_type="bulk")


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_frames_without_descriptors_are_counted_and_the_others_drawn(
    campaign, frames, number
):
    descriptors = np.random.default_rng(0).normal(size=(4, 3))
    descriptors[1, 2] = number
    section = frames_map(campaign(descriptors), frames, 4)
    assert "1 more have no finite descriptors" in section.caption
    assert "the 3 frames of the test set" in section.caption
    shown = section.figure.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in shown][-1] == "test set (n = 3)"


def test_no_finite_descriptor_is_said(campaign, frames):
    section = frames_map(campaign(np.full((4, 3), np.nan)), frames, 4)
    assert section.figure is None
    assert "no finite numbers" in section.empty
