"""
What the weights of the loss are worth, on labels of pw.x.

One model for each choice of weights learns the cells of two and four atoms of a
campaign on silicon that did not converge: those of the study ``espresso_campaign.py``
with the demo's weights. Its sets are the campaign's.

    python tests/benchmarks/science/espresso_weights.py --folder study

Everything is kept in the folder and taken up again. The table is written to
``--results``.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import train_one
from espresso_campaign import TRAINING, espresso_campaign
from loss_weights import by_tolerances
from outcome import RESULTS, keep
from teachers import cached

from flowpot.dataset import Dataset
from flowpot.demo import silicon_campaign

LARGEST = 4  # atoms: one model learns these in minutes
_MILLI = 1000


DEMO = {
    name: value
    for name, value in silicon_campaign().training.trainer.hyperparameters.items()
    if name.endswith("_weight")
}
WAYS: dict[str, dict[str, Any]] = {
    "the demo's": DEMO,
    "the demo's, 32 channels": DEMO | {"hidden_irreps": "32x0e"},
    "stresses ten times": DEMO
    | {"stress_weight": 1e3, "swa_energy_weight": 3e3, "swa_stress_weight": 3e4},
    "the campaign's": {},
    "by tolerances": {
        f"{stage}{name}": value
        for name, value in by_tolerances(LARGEST).items()
        for stage in ("", "swa_")
    },
}
"""What differs from the training of the campaign, by name."""


def errors_of(changes: dict[str, Any], frames: Dataset, folder: Path, seed: int) -> Any:
    """Train one model, and return its errors by set (meV/atom, meV/A, meV/A^3)."""
    trainer = espresso_campaign(seed).training.trainer
    options = {**trainer.hyperparameters, **changes}
    document, seconds = train_one(
        replace(trainer, hyperparameters=options), frames, seed, folder
    )
    sets = {
        which: {name: _MILLI * value for name, value in metrics.items()}
        for which, metrics in document.metrics.items()
    }
    return sets | {"core-seconds": seconds}


def main() -> None:
    """Train by all ways, and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--labels", type=Path, default=RESULTS / "espresso_demo_weights.h5"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    frames = Dataset.load(given.labels)
    frames = frames[np.flatnonzero(frames.n_atoms <= LARGEST)]
    folder = given.folder.absolute() / f"weights_{given.seed}"
    table = {
        name: cached(
            folder / f"{number}.pickle",
            lambda changes=changes, number=number: errors_of(
                changes, frames, folder / str(number), given.seed
            ),
        )
        for number, (name, changes) in enumerate(WAYS.items())
    }
    what = (
        f"root mean square errors by set (meV/atom, meV/A, meV/A^3) of one model each "
        f"that learned by squares with other weights; the campaign's: {TRAINING}"
    )
    keep("espresso_weights", what, table, None, given.results)


if __name__ == "__main__":
    main()
