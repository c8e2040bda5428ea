"""
How many labels does active learning save?

Strategies choose from the same pools of a teacher's molecular dynamics, each a fixed
number of labels an iteration, pilots and audits included; the force error is that of
the committee's mean on other runs of the same dynamics, which no strategy sees. The
seed divides the runs among the pools and this external set.

The committees are linear (`snap`), so that labels limit them, not their training: a
small MACE learns silicon from ten such frames in 1000 steps as well as from 150.

    python tests/benchmarks/science/labels.py --folder study

Everything that was computed is kept in the folder and taken up again, in whatever
order it is asked for: ``--teachers``, ``--strategies`` and ``--seeds`` choose a part.
The results, ``labels.json`` and ``labels.png``, are those of all that the folder holds.
CHGNet is one of the teachers: ``pip install chgnet``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Criteria,
    SelectionRules,
    error,
    evaluate_committee,
)
from flowpot.labelling.collection import assign_shard_splits
from flowpot.randomness import derive_rng, derive_seed

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import choose, looked_up
from outcome import RESULTS, keep, share_of_labels
from snap import Bispectrum, SnapPotential, fit_committee
from teachers import BY_NAME, FRAMES, Teacher, cached

# ruff: noqa: T201 - progress, and the figures

START, BUDGET = 20, 20  # labels: of distorted cells, of each iteration
ITERATIONS = 4
LEARNERS = {
    "silicon": (4.2, 8),
    "salt": (5.5, 6),
    "alloy": (4.8, 6),
    "copper": (4.8, 6),
}
"""Cutoff (A) and order of the linear potential, by teacher."""


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
    """

    name: str
    size: int
    criteria: Criteria | None


_ALL = SelectionRules(max_selected=BUDGET)
_ALIKE = replace(_ALL, method="random")
STRATEGIES = (
    Strategy("default", 4, Criteria(rules=_ALL)),
    Strategy("alike", 4, Criteria(rules=_ALIKE)),
    Strategy("alike by one", 1, Criteria(rules=_ALIKE)),
    Strategy("alike by two", 2, Criteria(rules=_ALIKE)),
    Strategy("random", 4, None),
    Strategy(
        "paper",
        4,
        Criteria(
            rule="least-squares",
            evidence="all labelled",
            pilot_labels=0,
            closing_audit=0,
            rules=replace(_ALIKE, audit_fraction=0.0, audit_min=0, audit_max=0),
        ),
    ),
    Strategy("diverse", 4, Criteria(rules=replace(_ALL, method="diverse"))),
    Strategy("top", 4, Criteria(rules=replace(_ALL, method="top"))),
)


DRAWN = ("default", "alike", "random", "paper", "top")
"""Strategies in the figure."""


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

    @cached_property
    def parts(self) -> list[Dataset]:
        """A pool for each iteration, and the frames that errors are told of."""
        place = self.folder / self.teacher.name
        frames = Dataset.concatenate(
            [
                cached(
                    place / f"dynamics-{number}.pkl",
                    partial(self.teacher.explored_frames, number, place / "lammps"),
                )
                for number in range(3)
            ]
        )
        runs = np.arange(len(frames)).reshape(-1, FRAMES)
        order = derive_rng(self.seed, "runs").permutation(len(runs))
        size = len(runs) // (ITERATIONS + 1)
        return [
            frames[np.sort(runs[order[i * size : (i + 1) * size]].ravel())]
            for i in range(ITERATIONS + 1)
        ]

    @cached_property
    def bispectrum(self) -> Bispectrum:
        """What the potentials are linear in."""
        species = sorted(self.teacher.elements, key=atomic_numbers.get)
        cutoff, order = LEARNERS[self.teacher.name]
        return Bispectrum(tuple(species), cutoff, self.own, order)

    def train(self, dataset: Dataset, iteration: int) -> list[SnapPotential]:
        """Fit a committee; all strategies share that of the start."""
        seed = derive_seed(self.seed, iteration, "committee")
        return fit_committee(self.bispectrum, dataset, self.strategy.size, seed)

    def run(self) -> list[dict[str, Any]]:
        """Run, or take up, all iterations."""
        dataset, predictions, rows = self.start(), [], []
        *pools, external = self.parts
        tolerance = None
        for iteration in range(ITERATIONS + 1):
            members = self.train(dataset, iteration)
            true = error(evaluate_committee(members, external), external)
            tolerance = tolerance or self.tolerance(members)
            rows.append(
                {
                    "labels": len(dataset),
                    "forces": float(np.sqrt(np.mean(true["forces"] ** 2))),
                }
            )
            if iteration == ITERATIONS:
                break
            dataset, predictions = cached(
                self.own / f"chosen-{iteration}.pkl",
                partial(
                    self.choose,
                    members,
                    dataset,
                    predictions,
                    iteration,
                    pools[iteration],
                    tolerance,
                ),
            )
        return rows

    def tolerance(self, members: Sequence[Any]) -> float:
        """Return half of the median error that four fresh members begin with (eV/A)."""
        path = self.shared / "tolerance.json"
        if not path.exists():
            pool = self.parts[0]
            true = error(evaluate_committee(members, pool), pool)["forces"]
            path.write_text(json.dumps(0.5 * float(np.median(true))))
        return float(json.loads(path.read_text()))

    def choose(
        self,
        members: Sequence[Any],
        dataset: Dataset,
        predictions: list[Dataset],
        iteration: int,
        pool: Dataset,
        tolerance: float,
    ) -> tuple[Dataset, list[Dataset]]:
        """Choose from the pool, label, and give the larger dataset."""
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


def report(results: dict[str, dict[str, dict[str, list[dict[str, Any]]]]]) -> Figure:
    """Print a table, and plot the error against labels: mean and range over seeds."""
    figure = Figure(figsize=(3.6 * len(results), 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(results)))
    for place, (teacher, strategies) in zip(axes, results.items(), strict=True):
        for strategy, seeds in strategies.items():
            labels, forces = (
                np.array([[row[name] for row in rows] for rows in seeds.values()])
                for name in ("labels", "forces")
            )
            by_chance = strategies.get("random", {})
            shares = [
                share_of_labels(seeds[seed], by_chance[seed])
                for seed in sorted(seeds.keys() & by_chance.keys())
            ]
            print(
                f"{teacher:10s} {strategy:14s} {len(seeds)} seeds  "
                f"{labels.mean(0).round()} {forces.mean(0).round(3)} eV/A  "
                f"of random's labels: {np.round(shares, 2)}"
            )
            if strategy not in DRAWN:
                continue
            colour, mean = f"C{DRAWN.index(strategy)}", labels.mean(axis=0)
            place.plot(mean, forces.mean(0), "o-", color=colour, label=strategy, ms=4)
            place.fill_between(
                mean, forces.min(0), forces.max(0), color=colour, alpha=0.12, lw=0
            )
        place.set(title=teacher, xlabel="labels", yscale="log")
        place.yaxis.set_minor_formatter(ScalarFormatter())
        place.yaxis.set_major_formatter(ScalarFormatter())
    axes[0].set_ylabel("force error on external frames (eV/\u00c5)")
    axes[0].legend(frameon=False)
    return figure


def main() -> None:
    """Run what is asked for, and show all that there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--teachers", default="silicon,salt,alloy")
    parser.add_argument(
        "--strategies", default=",".join(way.name for way in STRATEGIES)
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    folder = given.folder / "labels"
    ways = {strategy.name: strategy for strategy in STRATEGIES}
    results_file = folder / "labels.json"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in map(int, given.seeds.split(",")):
        for teacher in given.teachers.split(","):
            for strategy in given.strategies.split(","):
                campaign = Campaign(BY_NAME[teacher], ways[strategy], seed, folder)
                rows = campaign.run()
                kept = (
                    json.loads(results_file.read_text())
                    if results_file.exists()
                    else {}
                )
                kept.setdefault(teacher, {}).setdefault(strategy, {})[str(seed)] = rows
                results_file.write_text(json.dumps(kept, indent=1))
                print(teacher, strategy, seed, rows[-1], flush=True)
    kept = json.loads(results_file.read_text())
    what = (
        "by teacher, strategy and seed, for each iteration: labels, root mean square "
        "of the force error on external frames (eV/A)"
    )
    keep("labels", what, kept, report(kept), given.results)


if __name__ == "__main__":
    main()
