"""Steps of a campaign whose labels are known: train, judge, look labels up."""

import math
import resource
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.sets import TRAIN, sets_of
from flowpot.evaluation import Criteria, Judgement, judge
from flowpot.potentials import Potential
from flowpot.training import MACETrainingMaker
from flowpot.training.backend import Training
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

_ROUNDS = 3  # a pilot, a closing audit, the selection


class Chosen(NamedTuple):
    """
    What an iteration chooses.

    Attributes
    ----------
    judgement
        The last, whose ``chosen`` frames are not labelled yet.
    dataset
        The labelled frames, with those that were to be labelled before the selection.
    predictions
        Of this and of earlier judgements.
    """

    judgement: Judgement
    dataset: Dataset
    predictions: list[Dataset]


def choose(
    members: Sequence[Potential],
    dataset: Dataset,
    pool: Dataset,
    criteria: Criteria,
    learn: Callable[[Dataset, Dataset], Dataset],
    *,
    predictions: Sequence[Dataset] = (),
    **options: Any,
) -> Chosen:
    """
    Judge explored frames, again where some are to be labelled first.

    Parameters
    ----------
    members, dataset, pool, criteria, predictions
        See :func:`flowpot.evaluation.judge`.
    learn
        Takes the dataset and chosen frames, and returns the dataset with their labels.
    **options
        Others of :func:`flowpot.evaluation.judge`.
    """
    predictions = list(predictions)
    for _ in range(_ROUNDS):
        found = judge(
            members,
            dataset,
            pool.without_labels(),
            criteria,
            predictions=predictions,
            **options,
        )
        predictions.append(found.predictions)
        if not found.n_pilot:
            return Chosen(found, dataset, predictions)
        dataset = learn(dataset, found.chosen)
    raise RuntimeError(f"nothing was selected after {_ROUNDS} judgements")


def looked_up(chosen: Dataset, pool: Dataset) -> Dataset:
    """Return the labelled frames of a pool that were chosen, with why they were."""
    place = {name: i for i, name in enumerate(pool.fingerprints)}
    rows = np.array([place[name] for name in chosen.fingerprints], dtype=int)
    return pool[rows].with_info(**chosen.info)


def with_steps(
    trainer: MACETrainingMaker, dataset: Dataset, steps: int
) -> MACETrainingMaker:
    """
    Return a trainer that takes so many steps, however many frames there are.

    With a number of epochs instead, errors fall with the number of frames because
    there are more steps. The learning rate falls to a twentieth.
    """
    options = trainer.hyperparameters
    frames = int((sets_of(dataset) == TRAIN).sum())
    epochs = max(round(steps / math.ceil(frames / options["batch_size"])), 1)
    changes = {
        "max_num_epochs": epochs,
        "eval_interval": math.ceil(epochs / 50),
        "lr_scheduler_gamma": 0.05 ** (1 / epochs),
    }
    return replace(trainer, hyperparameters=options | changes)


def train_one(
    trainer: Training,
    dataset: Dataset,
    seed: int,
    folder: Path,
    start: Artifact | None = None,
) -> tuple[Any, float]:
    """Train a potential, and return it and the CPU time that it took (s)."""
    began = _cpu_of_children()
    (member,) = train_members(
        trainer, TrainingSets.load(dataset), [seed], [start], Place(folder)
    )
    if member.failure:
        raise RuntimeError(member.failure)
    return member, _cpu_of_children() - began


def _cpu_of_children() -> float:
    """Return the CPU time (s) of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
