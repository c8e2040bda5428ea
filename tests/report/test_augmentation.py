"""The figure of what was generated."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from flowpot.augmentation import Clusters, Distortions, augment
from flowpot.dataset import Dataset
from flowpot.report.augmentation import plot_augmentation


@pytest.fixture
def made(silicon):
    return augment(silicon, [Distortions(n_frames=10), Clusters(n_frames=5)])


def test_the_figure_shows_every_frame_and_atom(made, tmp_path):
    figure = plot_augmentation(made.frames)
    counts, sizes, distances, volumes = figure.axes
    assert [bar.get_width() for bar in counts.patches] == list(made.counts.values())
    n_frames, n_atoms = len(made.frames), len(made.frames.numbers)
    tops = [_stacked(axis) for axis in (sizes, distances, volumes)]
    assert tops == [n_frames, n_atoms - 1, 11]  # no neighbour: the isolated atom
    figure.savefig(tmp_path / "augmentation.png")
    assert (tmp_path / "augmentation.png").stat().st_size > 10_000


def _stacked(axis) -> float:
    """Count the entries of a stacked histogram."""
    return sum(bar.get_height() for group in axis.containers for bar in group)


def test_frames_of_no_kind_are_drawn_too(silicon):
    figure = plot_augmentation(Dataset.from_atoms([silicon]))
    assert isinstance(figure, Figure)
    assert np.isclose(_stacked(figure.axes[1]), 1)


def test_describe_counts_what_was_made(made):
    assert made.frames.describe().config_types == made.counts
