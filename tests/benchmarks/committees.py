"""Committees of MACE models that learn a teacher's dynamics, kept in a folder."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from campaigns import train_one, with_steps
from teachers import Teacher, cached

from flowpot.dataset import Dataset, assign_splits
from flowpot.evaluation import (
    Calibration,
    calibrate,
    disagreement,
    error,
    evaluate_committee,
    load_committee,
)
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker

TRAINER = MACETrainingMaker.small(model="ScaleShiftMACE", batch_size=5)
STEPS = 1000
_RUNS = 30  # of molecular dynamics


@dataclass(frozen=True)
class Trained:
    """
    A committee, and what it has and has not learned.

    Attributes
    ----------
    documents
        PotentialDocs of the members.
    dataset
        Labelled frames, in their sets.
    unseen
        Labelled frames of further runs of the same dynamics.
    """

    documents: list[Any]
    dataset: Dataset
    unseen: Dataset

    @cached_property
    def spread_and_error(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Disagreement of the members about what is not learned, and its errors."""
        seen = evaluate_committee(load_committee(self.documents), self.unseen)
        return disagreement(seen, self.unseen), error(seen, self.unseen)

    def calibration(self) -> dict[str, Calibration]:
        """Fit the error model to what is not learned, half of it over tolerance."""
        spread, off = self.spread_and_error
        limits = {name: float(np.median(off[name])) for name in ("forces", "stress")}
        return calibrate(spread, off, limits)


def mace_committee(
    teacher: Teacher,
    folder: Path,
    *,
    size: int = 4,
    n_frames: int = 60,
    steps: int = STEPS,
    seed: int = 0,
    **options: Any,
) -> Trained:
    """
    Train a committee, or take it up.

    Parameters
    ----------
    teacher
        What labels.
    folder
        Where all is kept.
    size
        Number of members.
    n_frames
        Frames of the teacher's dynamics to learn, beside the isolated atoms; those that
        validate and test included.
    steps
        Of each training.
    seed
        Of the dynamics, the sets and the members.
    **options
        Hyperparameters that differ from those of `TRAINER`.
    """
    folder = folder / teacher.name / f"seed-{seed}"
    lammps = folder / "lammps"
    start = cached(folder / "start.pkl", lambda: teacher.starting_dataset(seed, lammps))
    explored, unseen = (
        cached(
            folder / f"{name}.pkl",
            partial(teacher.explored_frames, derive_seed(seed, name), lammps, _RUNS),
        )
        for name in ("explored", "unseen")
    )
    learned = explored[:: max(len(explored) // n_frames, 1)][:n_frames]
    dataset = Dataset.concatenate(
        [start[start.n_atoms == 1], assign_splits(learned, seed=seed)]
    )
    trainer = replace(TRAINER, hyperparameters=TRAINER.hyperparameters | options)
    trainer = with_steps(trainer, dataset, steps)
    changed = [f"{key}={value}" for key, value in sorted(options.items())]
    documents = []
    for number in range(size):
        name = "-".join([str(n_frames), str(steps), str(number), *changed])
        document, _ = cached(
            folder / f"{name}.pkl",
            partial(
                train_one,
                trainer,
                dataset,
                derive_seed(seed, "member", number),
                folder / name,
            ),
        )
        documents.append(document)
    return Trained(documents, dataset, unseen)
