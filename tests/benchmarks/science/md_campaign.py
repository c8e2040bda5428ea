"""A campaign whose committee explores by itself, and whose teacher labels all of it."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from campaigns import choose, looked_up, train_one, with_steps
from teachers import Teacher, as_member, cached

from flowpot import CommitteeCalculator, ExplorationMaker
from flowpot.augmentation import Generator, augment
from flowpot.dataset import Dataset, assign_splits
from flowpot.evaluation import (
    CommitteePrediction,
    Criteria,
    Judgement,
    SelectionRules,
    error,
    evaluate_committee,
    load_committee,
)
from flowpot.exploration.collection import collect_frames
from flowpot.exploration.preparation import Committee, Planned, starts_of
from flowpot.labelling.collection import assign_shard_splits
from flowpot.potentials import Potential
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker

EXTERNAL = 4  # runs of the teacher's dynamics from each input


@dataclass(frozen=True)
class Generation:
    """
    A committee, what it was trained on, and what it makes of what it has explored.

    Attributes
    ----------
    number
        Iteration, from 0.
    documents
        PotentialDocs of the members.
    dataset
        All labelled frames, in their sets, when it was trained.
    pool
        The frames that it has explored, with the teacher's labels of all of them.
    judgement
        Of the pool, after what was to be labelled first.
    learned
        All labelled frames after this iteration.
    """

    number: int
    documents: list[Any]
    dataset: Dataset
    pool: Dataset
    judgement: Judgement
    learned: Dataset

    @cached_property
    def members(self) -> list[Potential]:
        """The loaded members."""
        return load_committee(self.documents)

    @cached_property
    def seen(self) -> CommitteePrediction:
        """What the members predict for the pool."""
        return evaluate_committee(self.members, self.pool)

    @cached_property
    def fresh(self) -> np.ndarray:
        """Mask of the frames of the pool that the calibration was not told of."""
        chosen = np.isin(self.pool.fingerprints, self.judgement.chosen.fingerprints)
        return chosen | ~np.isin(self.pool.fingerprints, self.learned.fingerprints)

    def calculator(self) -> CommitteeCalculator:
        """Return the committee with the error bars of this iteration."""
        found = self.judgement
        return CommitteeCalculator(
            self.documents, found.calibration, uncertainties=found.uncertainties
        )


@dataclass(frozen=True)
class MDCampaign:
    """
    A campaign whose steps are kept in a folder, and taken up again.

    Attributes
    ----------
    folder
        Where all is kept.
    teacher
        What labels.
    inputs, kinds
        Structures, and the frames that are made of them.
    trainer, exploration
        How members are trained, and how they explore.
    seed
        Of all that is random.
    n_iterations, n_members, n_labels
        Trainings; members of the committee; labels of an iteration, all included.
    steps
        Of each training; None for the epochs of the trainer.
    """

    folder: Path
    teacher: Teacher
    inputs: Sequence[Atoms]
    kinds: Sequence[Generator]
    trainer: MACETrainingMaker
    exploration: ExplorationMaker
    seed: int = 0
    n_iterations: int = 3
    n_members: int = 4
    n_labels: int = 45
    steps: int | None = None

    def label(self, frames: Dataset) -> Dataset:
        """Label frames by the teacher."""
        return self.teacher.label(frames, self.folder / "lammps")

    def start(self) -> Dataset:
        """Augment the inputs, label, and put into sets."""
        frames = augment(self.inputs, self.kinds, seed=self.seed).frames
        return assign_splits(self.label(frames), seed=self.seed)

    def external(self) -> Dataset:
        """Return frames of the teacher's own dynamics, which nothing is trained on."""

        def make() -> Dataset:
            starts = Dataset.from_atoms(self.inputs)
            plan = replace(self.exploration, runs_per_start=EXTERNAL)
            teacher = as_member(self.teacher.name, self.folder / "lammps-md")
            seed = derive_seed(self.seed, "external")
            return self.explore([teacher], starts, seed, plan)

        return cached(self.folder / "external.pkl", make)

    def explore(
        self,
        members: Sequence[Any],
        starts: Dataset,
        seed: int,
        plan: ExplorationMaker | None = None,
    ) -> Dataset:
        """Run molecular dynamics with the members, and label all physical frames."""
        plan = plan or self.exploration
        runs = []
        for member, trajectories in plan.trajectories(
            starts, len(members), seed
        ).items():
            rows, conditions = zip(*trajectories, strict=True)
            frames = starts[np.array(rows)]
            ready = starts_of(frames, conditions, plan.vacuum)
            names = frames.fingerprints.tolist()
            planned = list(map(Planned, ready, conditions, names))
            with fresh_folder(self.folder / f"md-{seed}-{member}"):
                runs += plan.md_maker.simulate(planned, Committee([members[member]]))
        found = [Dataset.load(run.dataset) for run in runs if run.dataset is not None]
        return self.label(collect_frames(found, 0, [1] * len(found)))

    def train(self, dataset: Dataset, number: int) -> list[Any]:
        """Train the members of an iteration, one after the other."""
        trainer = self.trainer
        if self.steps is not None:
            trainer = with_steps(trainer, dataset, self.steps)
        documents = []
        for rank in range(self.n_members):
            seed = derive_seed(self.seed, number, "member", rank)
            here = self.folder / f"iteration-{number}"
            document, _ = cached(
                here / f"member-{rank}.pkl",
                lambda s=seed, f=here / f"run-{rank}": train_one(
                    trainer, dataset, s, f
                ),
            )
            documents.append(document)
        return documents

    def generations(self) -> list[Generation]:
        """Run the campaign, or read what there is of it."""
        dataset = cached(self.folder / "start.pkl", self.start)
        predictions: list[Dataset] = []
        generations = []
        for number in range(self.n_iterations):
            documents = self.train(dataset, number)
            here = self.folder / f"iteration-{number}"
            seed = derive_seed(self.seed, number, "md")
            pool = cached(
                here / "pool.pkl",
                lambda d=documents, t=dataset, s=seed: self.explore(d, t, s),
            )
            trained_on = dataset
            found, dataset, predictions = cached(
                here / "judged.pkl",
                lambda d=documents, t=dataset, p=pool, b=predictions, n=number: (
                    self.judged(d, t, p, b, n)
                ),
            )
            generations.append(
                Generation(number, documents, trained_on, pool, found, dataset)
            )
        return generations

    def judged(
        self,
        documents: Sequence[Any],
        dataset: Dataset,
        pool: Dataset,
        predictions: Sequence[Dataset],
        number: int,
    ) -> tuple[Judgement, Dataset, list[Dataset]]:
        """Judge the pool, and learn what was chosen of it."""
        members = load_committee(documents)
        limits = cached(
            self.folder / "tolerance.pkl", lambda: first_tolerance(members, pool)
        )
        criteria = Criteria(limits, rules=SelectionRules(max_selected=self.n_labels))

        def learn(known: Dataset, chosen: Dataset) -> Dataset:
            frames = assign_shard_splits(
                looked_up(chosen, pool),
                known,
                fractions=(0.8, 0.1, 0.1),
                group_by=None,
                seed=derive_seed(self.seed, number, "sets"),
            )
            return Dataset.concatenate([known, frames])

        found, dataset, predictions = choose(
            members,
            dataset,
            pool,
            criteria,
            learn,
            predictions=predictions,
            max_labels=len(dataset) + self.n_labels,
            seed=derive_seed(self.seed, number),
            iteration=number + 1,
        )
        if len(found.chosen):
            dataset = learn(dataset, found.chosen)
        return found, dataset, predictions


def first_tolerance(members: Sequence[Potential], pool: Dataset) -> dict[str, float]:
    """Return half of the median errors that the first committee makes on its frames."""
    true = error(evaluate_committee(members, pool), pool)
    return {
        name: 0.5 * float(np.nanmedian(true[name]))
        for name in ("energy", "forces", "stress")
    }


@contextlib.contextmanager
def fresh_folder(folder: Path) -> Iterator[None]:
    """Work in a folder that did not exist before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contextlib.chdir(folder):
        yield
