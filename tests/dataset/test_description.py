"""What a dataset holds, in numbers."""

import numpy as np
from ase.build import bulk, molecule
from rich.console import Console

from flowpot.dataset import Dataset


def test_counts_and_ranges():
    frames = [bulk("C"), bulk("C", cubic=True), bulk("Si"), molecule("H2O")]
    dataset = Dataset.from_atoms(frames).with_info(
        config_type=["md", "md", "input", None], split=["train", "val", "train", None]
    )
    forces = np.full((len(dataset.numbers), 3), np.nan)
    forces[:2] = [[3, 4, 0], [0, 0, 1]]
    stress = np.full((4, 3, 3), np.nan)
    stress[0] = -0.3 * np.eye(3)
    labels = {"energy": [-20.0, -72.0, np.nan, np.nan], "forces": forces}
    summary = dataset.with_labels(**labels, stress=stress).describe()

    assert (summary.n_frames, summary.n_atoms, summary.n_labelled) == (4, 15, 1)
    assert summary.config_types == {"md": 2, "input": 1, "-": 1}
    assert summary.splits == {"train": 2, "val": 1, "-": 1}
    assert summary.table[("md", "val")] == 1
    assert summary.formulas == {"C": 2, "Si": 1, "H2O": 1}
    assert summary.sizes == (2, 2.5, 8)
    assert np.allclose(summary.energy, (-10, -9.5, -9))
    assert np.allclose(summary.force, (np.sqrt(13), 3, 5))
    assert np.allclose(summary.pressure, (0.3, 0.3, 0.3))


def test_it_prints_as_tables(random_dataset):
    summary = random_dataset(40).with_info(split="train").describe()
    text = str(summary)
    for word in ("40 frames", "config_type", "vacancy", "train", "energy", "formula"):
        assert word in text
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(summary)
    assert "config_type" in capture.get()


def test_nothing_to_describe():
    summary = Dataset.from_atoms([]).describe()
    assert summary.n_frames == 0
    assert summary.energy is summary.force is summary.sizes is None
    assert "0 frames" in str(summary)
