"""
How many labels does active learning save?

Strategies choose from the same pools of a teacher's molecular dynamics, each a fixed
number of labels an iteration, pilots and audits included; the force error is that of
the committee's mean on an external set of the same dynamics, which no strategy sees.

    python tests/benchmarks/science/labels.py --folder study

Everything that was computed is kept in the folder and taken up again, in whatever
order it is asked for: ``--teachers``, ``--strategies``, ``--seeds`` and
``--iterations`` choose a part. The results, ``labels.json`` and ``labels.png``, are
those of all that the folder holds.
"""

import argparse
import json
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Criteria,
    SelectionRules,
    error,
    evaluate_committee,
    load_committee,
)
from flowpot.labelling.collection import assign_shard_splits
from flowpot.randomness import derive_rng, derive_seed
from flowpot.training import MACETrainingMaker

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import choose, looked_up, train_one
from outcome import RESULTS, keep
from teachers import TEACHERS, Teacher, cached

# ruff: noqa: T201 - progress, and the figures

START, POOL, EXTERNAL = 30, 30, 15  # distorted cells; runs of 8 frames each
BUDGET = 30  # labels an iteration
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE", batch_size=5, max_num_epochs=40
)


@dataclass(frozen=True)
class Strategy:
    """
    How frames are chosen.

    Attributes
    ----------
    name
        Name in the results.
    size
        Members of the committee.
    criteria
        Of the evaluation, but for the tolerance; None draws at random.
    warm
        Whether members start from the weights of the iteration before.
    """

    name: str
    size: int
    criteria: Criteria | None
    warm: bool = False


_ALL = SelectionRules(max_selected=BUDGET)
STRATEGIES = (
    Strategy("default", 4, Criteria(rules=_ALL)),
    Strategy("one member", 1, Criteria(rules=_ALL)),
    Strategy("two members", 2, Criteria(rules=_ALL)),
    Strategy("warm", 4, Criteria(rules=_ALL), warm=True),
    Strategy("random", 4, None),
    Strategy(
        "paper",
        4,
        Criteria(
            rule="least-squares",
            evidence="all labelled",
            pilot_labels=0,
            closing_audit=0,
            rules=replace(_ALL, audit_fraction=0.0, audit_min=0, audit_max=0),
        ),
    ),
    Strategy("diverse", 4, Criteria(rules=replace(_ALL, method="diverse"))),
    Strategy("top", 4, Criteria(rules=replace(_ALL, method="top"))),
)


@dataclass(frozen=True)
class Campaign:
    """One teacher, one strategy, one seed."""

    teacher: Teacher
    strategy: Strategy
    seed: int
    folder: Path

    @property
    def shared(self) -> Path:
        """Folder of what all strategies have in common."""
        return self.folder / self.teacher.name / f"seed-{self.seed}"

    @property
    def own(self) -> Path:
        """Folder of the strategy."""
        return self.shared / self.strategy.name.replace(" ", "-")

    def start(self) -> Dataset:
        """Label the cells that all strategies start from."""
        whole = cached(
            self.shared / "start.pkl",
            lambda: self.teacher.starting_dataset(self.seed, self.shared / "lammps"),
        )
        single = np.flatnonzero(whole.n_atoms == 1)
        cells = np.flatnonzero(whole.n_atoms > 1)[:START]
        return whole[np.concatenate([single, cells])]

    def explored(self, iteration: int) -> Dataset:
        """Return the frames that may be chosen in an iteration."""
        return cached(
            self.shared / f"pool-{iteration}.pkl",
            lambda: self.teacher.explored_frames(
                derive_seed(self.seed, "pool", iteration), self.shared / "lammps", POOL
            ),
        )

    def external(self) -> Dataset:
        """Return the frames that errors are told of."""
        return cached(
            self.folder / self.teacher.name / "external.pkl",
            lambda: self.teacher.explored_frames(
                10**6, self.folder / self.teacher.name / "lammps", EXTERNAL
            ),
        )

    def train(self, dataset: Dataset, iteration: int) -> tuple[list[Any], float]:
        """Train a committee, member by member; return it, and its CPU time (s)."""
        members, seconds = [], 0.0
        for number in range(self.strategy.size):
            start = None
            if self.strategy.warm and iteration:
                file = self.member_file(iteration - 1, number)
                start = pickle.loads(file.read_bytes())[0].model
            member, spent = cached(
                self.member_file(iteration, number),
                partial(
                    train_one,
                    TRAINER,
                    dataset,
                    derive_seed(self.seed, iteration, "member", number),
                    self.own / f"run-{iteration}-{number}",
                    start,
                ),
            )
            members.append(member)
            seconds += spent
        return members, seconds

    def member_file(self, iteration: int, number: int) -> Path:
        """Return where a member is kept: all strategies share those of the start."""
        folder = self.own if iteration else self.shared
        return folder / f"iteration-{iteration}-member-{number}.pkl"

    def run(self, n_iterations: int) -> list[dict[str, Any]]:
        """Run, or take up, so many iterations; the last one's choice is not learned."""
        dataset, predictions, rows = self.start(), [], []
        tolerance = None
        for iteration in range(n_iterations):
            found, seconds = self.train(dataset, iteration)
            members = load_committee(found)
            true = error(evaluate_committee(members, self.external()), self.external())
            tolerance = tolerance or self.tolerance(members)
            rows.append(
                {
                    "labels": len(dataset),
                    "forces": float(np.sqrt(np.mean(true["forces"] ** 2))),
                    "seconds": seconds,
                }
            )
            dataset, predictions = cached(
                self.own / f"chosen-{iteration}.pkl",
                partial(
                    self.choose, members, dataset, predictions, iteration, tolerance
                ),
            )
        return rows

    def committee(self, n_iterations: int) -> tuple[list[Any], Dataset]:
        """Return the members of the last of so many iterations, and their labels."""
        self.run(n_iterations)
        dataset = self.start()
        if n_iterations > 1:
            path = self.own / f"chosen-{n_iterations - 2}.pkl"
            dataset, _ = pickle.loads(path.read_bytes())
        return self.train(dataset, n_iterations - 1)[0], dataset

    def tolerance(self, members: Sequence[Any]) -> float:
        """Return half of the median error that four fresh members begin with (eV/A)."""
        path = self.shared / "tolerance.json"
        if not path.exists():
            pool = self.explored(0)
            true = error(evaluate_committee(members, pool), pool)["forces"]
            path.write_text(json.dumps(0.5 * float(np.median(true))))
        return float(json.loads(path.read_text()))

    def choose(
        self,
        members: Sequence[Any],
        dataset: Dataset,
        predictions: list[Dataset],
        iteration: int,
        tolerance: float,
    ) -> tuple[Dataset, list[Dataset]]:
        """Choose from the pool, label, and give the larger dataset."""
        pool = self.explored(iteration)
        if self.strategy.criteria is None:
            rng = derive_rng(self.seed, iteration, "random")
            chosen = pool[rng.choice(len(pool), BUDGET, replace=False)]
            return self.learn(dataset, chosen, pool, iteration), predictions
        criteria = replace(self.strategy.criteria, tolerance={"forces": tolerance})
        limit = len(dataset) + BUDGET
        found, dataset, predictions = choose(
            members,
            dataset,
            pool,
            criteria,
            partial(self.learn, pool=pool, iteration=iteration),
            predictions=predictions,
            max_labels=limit,
            seed=derive_seed(self.seed, iteration),
            iteration=iteration + 1,
        )
        dataset = self.learn(dataset, found.chosen, pool, iteration)
        return dataset, predictions

    def learn(
        self, dataset: Dataset, chosen: Dataset, pool: Dataset, iteration: int
    ) -> Dataset:
        """Label what was chosen, put it into sets, and join it to the dataset."""
        if not len(chosen):
            return dataset
        frames = assign_shard_splits(
            looked_up(chosen, pool),
            dataset,
            fractions=(0.8, 0.1, 0.1),
            group_by=None,
            seed=derive_seed(self.seed, iteration, "sets"),
        )
        return Dataset.concatenate([dataset, frames])


def random_silicon(folder: Path) -> Campaign:
    """Return the campaign on silicon that chooses at random, with the first seed."""
    (teacher,) = [each for each in TEACHERS if each.name == "silicon"]
    (strategy,) = [each for each in STRATEGIES if each.name == "random"]
    return Campaign(teacher, strategy, 0, folder / "labels")


def report(results: dict[str, dict[str, list[list[dict[str, Any]]]]]) -> Figure:
    """Print a table, and plot the error against labels: mean and range over seeds."""
    figure = Figure(figsize=(4.2 * len(results), 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(results)))
    for place, (teacher, strategies) in zip(axes, results.items(), strict=True):
        for rank, strategy in enumerate(way.name for way in STRATEGIES):
            if not (seeds := strategies.get(strategy)):
                continue
            length = min(len(rows) for rows in seeds)
            rows = [seed[:length] for seed in seeds]
            labels = np.mean([[row["labels"] for row in seed] for seed in rows], axis=0)
            forces = np.array([[row["forces"] for row in seed] for seed in rows])
            seconds = np.mean([sum(row["seconds"] for row in seed) for seed in rows])
            mean, low, high = forces.mean(0), forces.min(0), forces.max(0)
            place.plot(labels, mean, "o-", color=f"C{rank}", label=strategy)
            place.fill_between(labels, low, high, color=f"C{rank}", alpha=0.15)
            told = "  ".join(
                f"{n:.0f}: {m:.3f} [{a:.3f}, {b:.3f}]"
                for n, m, a, b in zip(labels, mean, low, high, strict=True)
            )
            print(f"{teacher:10s} {strategy:10s} {len(seeds)} seeds  {told}")
            print(f"{'':21s} training {seconds:.0f} s a campaign")
        place.set(title=teacher, xlabel="labels", yscale="log")
        place.set_ylabel("force error on external frames (eV/\u00c5)")
        place.legend(frameon=False)
    return figure


def main() -> None:
    """Run what is asked for, and show all that there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--teachers", default="silicon,carbide,alloy")
    parser.add_argument("--strategies", default="default,one member,random,paper")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder / "labels"
    known = {teacher.name: teacher for teacher in TEACHERS}
    ways = {strategy.name: strategy for strategy in STRATEGIES}
    results_file = folder / "labels.json"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in map(int, given.seeds.split(",")):
        for teacher in given.teachers.split(","):
            for strategy in given.strategies.split(","):
                campaign = Campaign(known[teacher], ways[strategy], seed, folder)
                rows = campaign.run(given.iterations)
                kept = (
                    json.loads(results_file.read_text())
                    if results_file.exists()
                    else {}
                )
                kept.setdefault(teacher, {}).setdefault(strategy, {})[str(seed)] = rows
                results_file.write_text(json.dumps(kept, indent=1))
                print(teacher, strategy, seed, rows[-1], flush=True)
    kept = json.loads(results_file.read_text())
    results = {
        teacher: {way: list(seeds.values()) for way, seeds in found.items()}
        for teacher, found in kept.items()
    }
    what = (
        "by teacher, strategy and seed, for each iteration: labels, root mean square "
        "of the force error on external frames (eV/A), seconds of training"
    )
    keep("labels", what, kept, report(results), given.results)


if __name__ == "__main__":
    main()
