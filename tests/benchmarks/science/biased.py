"""
Does molecular dynamics that is driven towards uncertainty save labels?

Replicas of the batched engine explore with the mean of a committee, or with a bias
along the gradient of its uncertainty besides, as in hyperactive learning (van der Oord
et al., npj Comput. Mater. 9, 168 (2023)); Kulichenko et al., Nat. Comput. Sci. 3, 230
(2023) bias by the same spread of energies. Starts, temperatures, steps, members, their
training and the choice among the sampled frames are the same. The force error is that
of the committee's mean on an external set of the teacher's own dynamics.

    python tests/benchmarks/science/biased.py --folder study

Everything that was computed is kept in the folder and taken up again: ``--teachers``,
``--seeds`` and ``--iterations`` choose a part. The result is ``biased.json``.

Small on purpose: three members of 16 channels, a few hundred steps of training in this
process, 8-atom cells.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowpot.dataset import Dataset
from flowpot.evaluation import Calibration, disagreement, error, evaluate_committee
from flowpot.exploration.batched.dynamics import Dynamics, Watch
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.sampling import Output
from flowpot.potentials.mace import MACEPotential
from flowpot.randomness import derive_rng, derive_seed

sys.path.append(str(Path(__file__).parents[1]))

from biased_committee import CommitteeForces, Student
from outcome import RESULTS, keep, share_of_labels
from teachers import BY_NAME, Teacher, cached

# ruff: noqa: T201 - progress, and the figures

START, BUDGET, EXTERNAL = 20, 15, 10  # labels; labels an iteration; runs of 8 frames
MEMBERS = 3
FIRST_STEPS, LATER_STEPS = 600, 300  # of training
REPLICAS, MD_STEPS, SAMPLE, TIMESTEP = 10, 200, 10, 2.0  # fs
STRENGTH = 0.2  # mean force of the bias, as a share of the mean force
LIMIT = 2.0  # predicted force error of a frame (eV/A) that ends the bias and a run


@dataclass(frozen=True)
class Study:
    """One teacher, one seed, with or without the bias."""

    teacher: Teacher
    biased: bool
    seed: int
    folder: Path

    @property
    def shared(self) -> Path:
        """Folder of what both have in common."""
        return self.folder / self.teacher.name / f"seed-{self.seed}"

    @property
    def name(self) -> str:
        """Name in the results."""
        return "biased" if self.biased else "unbiased"

    def start(self) -> Dataset:
        """Label the cells that both start from."""
        whole = cached(
            self.shared / "start.pkl",
            lambda: self.teacher.starting_dataset(self.seed, self.shared / "lammps"),
        )
        return whole[np.flatnonzero(whole.n_atoms > 1)[:START]]

    def external(self) -> Dataset:
        """Return the frames that errors are told of."""
        folder = self.folder / self.teacher.name
        return cached(
            folder / "external.pkl",
            lambda: self.teacher.explored_frames(10**6, folder / "lammps", EXTERNAL),
        )

    def students(self, weights: Sequence[Any] | None = None) -> list[Student]:
        """Return the members with these weights, or with random ones."""
        members = []
        for number in range(MEMBERS):
            seed = derive_seed(self.seed, "member", number)
            members.append(Student(self.teacher.elements, self.start(), seed))
            if weights is not None:
                members[-1].model.load_state_dict(weights[number])
        return members

    def first_weights(self) -> list[Any]:
        """Train the members that both begin with."""
        members = self.students()
        for number, member in enumerate(members):
            seed = derive_seed(self.seed, 0, number)
            member.train(self.start(), FIRST_STEPS, seed)
        return [member.model.state_dict() for member in members]

    def run(self, n_iterations: int) -> list[dict[str, float]]:
        """Run the iterations, or take them up."""
        weights = cached(self.shared / "members.pkl", self.first_weights)
        state, rows = (weights, self.start(), 1.5), []
        for iteration in range(n_iterations + 1):
            path = self.shared / f"{self.name}-{iteration}.pkl"
            row, state = cached(path, partial(self.iterate, state, iteration))
            rows.append(row)
            print(self.teacher.name, self.name, self.seed, json.dumps(row), flush=True)
        return rows

    def iterate(
        self, state: tuple[list[Any], Dataset, float], iteration: int
    ) -> tuple[dict[str, float], tuple[list[Any], Dataset, float]]:
        """Explore, label and train once; return the errors, and what is next."""
        weights, dataset, slope = state
        students, row = self.students(weights), {}
        members = [MACEPotential(student.model, "cpu") for student in students]
        if iteration:
            pool, halted = self.explore(members, dataset, iteration, slope)
            chosen = self.choose(members, pool, iteration)
            labels = self.teacher.label(chosen, self.shared / "lammps")
            prediction = evaluate_committee(members, labels)
            spread = disagreement(prediction, labels)["forces"]
            found = error(prediction, labels)["forces"]
            slope = float((spread @ found) / (spread @ spread))
            row |= {
                "pool": len(pool),
                "halted": halted,
                "spread": float(np.median(spread)),
                "error": float(np.median(found)),
            }
            dataset = Dataset.concatenate([dataset, labels])
            for number, student in enumerate(students):
                seed = derive_seed(self.seed, iteration, number)
                student.train(dataset, LATER_STEPS, seed)
            members = [MACEPotential(student.model, "cpu") for student in students]
        true = error(evaluate_committee(members, self.external()), self.external())
        row["labels"] = len(dataset)
        row["forces"] = float(np.sqrt(np.mean(true["forces"] ** 2)))
        weights = [student.model.state_dict() for student in students]
        return row, (weights, dataset, slope)

    def explore(
        self,
        members: Sequence[MACEPotential],
        dataset: Dataset,
        iteration: int,
        slope: float,
    ) -> tuple[Dataset, int]:
        """Run the replicas from labelled frames; return their frames and halts."""
        rng = derive_rng(self.seed, iteration, "starts")
        replicas = []
        for row in rng.choice(len(dataset), REPLICAS):
            seed = int(rng.integers(1, 2**31))
            kelvin = rng.uniform(300, self.teacher.hottest)
            conditions = Conditions(
                *("nvt", kelvin),
                n_steps=MD_STEPS,
                timestep=TIMESTEP,
                seed=seed,
                temperature_damping=25,
            )
            replicas.append(Replica.begin(dataset[int(row)], conditions, "parent"))
        limit = Calibration(
            **dict.fromkeys(("r2", "rank_correlation", "tpr", "ppv"), 1.0),
            slope=1.0,
            slope_interval=(0.9, 1.1),
            tolerance=LIMIT / slope,
            threshold=LIMIT / slope,
            n=100,
            effective_n=100,
            trusted=True,
        )
        forces = CommitteeForces(members, STRENGTH * self.biased, slope, LIMIT)
        done = Dynamics(
            forces, Output(SAMPLE), watch=Watch(SAMPLE, {"forces": limit}, 1.0)
        ).run(replicas)
        frames = [
            atoms
            for replica in done
            for step, atoms in replica.sampled().items()
            if step and replica.outcome and step <= replica.outcome.n_steps
        ]
        halted = sum(
            bool(replica.outcome and replica.outcome.halted) for replica in done
        )
        return Dataset.from_atoms(frames, labels=False), halted

    def choose(
        self, members: Sequence[MACEPotential], pool: Dataset, iteration: int
    ) -> Dataset:
        """Draw from the half with the larger spread of forces."""
        spread = disagreement(evaluate_committee(members, pool), pool)["forces"]
        upper = np.flatnonzero(spread >= np.median(spread))
        rng = derive_rng(self.seed, iteration, "choice")
        return pool[np.sort(rng.choice(upper, min(BUDGET, len(upper)), replace=False))]


def main() -> None:
    """Run what is asked for, and show all that there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--teachers", default="silicon,carbide,copper")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder / "biased"
    file = folder / "biased.json"
    results: dict[str, dict[str, Any]] = {}
    if file.exists():
        results = json.loads(file.read_text())
    for seed in given.seeds.split(","):
        for name in given.teachers.split(","):
            found = {}
            for biased in (False, True):
                study = Study(BY_NAME[name], biased, int(seed), folder)
                found[study.name] = study.run(given.iterations)
            found["share"] = share_of_labels(found["biased"], found["unbiased"])
            results.setdefault(name, {})[seed] = found
            file.write_text(json.dumps(results, indent=1))
    for name, seeds in results.items():
        shares = [found["share"] for found in seeds.values()]
        print(f"{name}: {np.mean(shares):.2f} of the labels ({np.round(shares, 2)})")
    what = (
        "by teacher and seed: share of the labels with which the bias reaches the same "
        "force error, and for each iteration with and without it the labels and that "
        "error (eV/A); errors and spreads of the chosen frames are their medians"
    )
    keep("biased", what, results, None, given.results)


if __name__ == "__main__":
    main()
