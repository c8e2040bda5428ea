"""
An active-learning campaign on silicon whose labels cost nothing.

Four small MACE models learn a classical teacher's silicon from distorted cells, and
then from what they choose among frames of its molecular dynamics. The teacher labels
every frame, so that the truth about each generation is known. With FLOWPOT_STUDY set
to a folder, the trained models are kept there; FLOWPOT_STUDY_SEEDS=01 runs two seeds.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Calibration,
    Criteria,
    SelectionRules,
    disagreement,
    error,
    evaluate_committee,
    judge,
    load_committee,
)
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .silicon_teacher import explored_frames, label, starting_dataset
from .teachers import cached

SEEDS = [int(s) for s in os.environ.get("FLOWPOT_STUDY_SEEDS", "012")]
TURNS = 4
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE", batch_size=10, max_num_epochs=60
)
RULES = SelectionRules(max_selected=25, audit_min=5, audit_max=5)


def train(dataset: Dataset, seed: int, folder: Path) -> list[Any]:
    """Train four members, two at a time."""
    sets, members = TrainingSets.load(dataset), []
    for first in (0, 2):
        seeds = [derive_seed(seed, "member", first + i) for i in range(2)]
        members += cached(
            folder / f"members-{first}.pkl",
            lambda seeds=seeds, first=first: train_members(
                TRAINER,
                sets,
                seeds,
                [None, None],
                Place(folder / f"run-{first}"),
            ),
        )
    return members


def learned(chosen: Dataset) -> Dataset:
    """Label what was chosen; what has no set trains."""
    split = np.array([each or "train" for each in chosen.info["split"]], dtype=object)
    return label(chosen.without_labels()).with_info(split=split)


@dataclass(frozen=True)
class Generation:
    """A committee, what it has learned, and what it makes of frames it has explored."""

    seed: int
    turn: int
    members: list[Any]
    dataset: Dataset
    pool: Dataset
    spread: dict[str, np.ndarray]
    true: dict[str, np.ndarray]
    calibration: dict[str, Calibration]


def generations(seed: int, folder: Path) -> Iterator[Generation]:
    """Run the campaign of one seed; its tolerance is that of 40 % bad frames."""
    dataset, predictions, previous = starting_dataset(seed), [], None
    for turn in range(TURNS):
        here = folder / f"seed-{seed}" / f"turn-{turn}"
        members = load_committee(train(dataset, derive_seed(seed, turn), here))
        pool = explored_frames(derive_seed(seed, turn, "md"), here)
        seen = cached(
            here / "pool.pkl", lambda m=members, p=pool: evaluate_committee(m, p)
        )
        spread, true = disagreement(seen, pool), error(seen, pool)
        tolerance = float(np.quantile(true["forces"], 0.6))
        # What it is told here, not the default, decided the default: see the rules.
        criteria = Criteria({"forces": tolerance}, target=0.4, rules=RULES)
        options = {"predictions": predictions, "previous": previous, "seed": seed}
        found = judge(members, dataset, pool.without_labels(), criteria, **options)
        if found.n_pilot:
            dataset = Dataset.concatenate([dataset, learned(found.chosen)])
            found = judge(members, dataset, pool.without_labels(), criteria, **options)
        fits = found.calibration
        yield Generation(seed, turn, members, dataset, pool, spread, true, fits)
        predictions, previous = [*predictions, found.predictions], found.calibration
        dataset = Dataset.concatenate([dataset, learned(found.chosen)])
