"""
Does a model of another level of theory save labels?

A small form of Fig. 10 of the AiiDA-TrainsPot paper, where a foundation model is
fine-tuned. The weights of none come with a package that trains here, so that its place
is taken by a model of another teacher: silicon of Stillinger and Weber. It is
fine-tuned on a few labels of Tersoff's silicon, beside models that are trained from
scratch on the same labels, in as many steps; errors are those on an external set of the
dynamics of Tersoff's silicon.

    python tests/benchmarks/science/fine_tuning.py --folder study

Models are kept in the folder and taken up again. The table and the figure are written
to ``--results``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import train_one, with_steps
from committees import STEPS, TRAINER, mace_committee
from outcome import RESULTS, keep
from teachers import BY_NAME, Teacher, cached

from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation import error, evaluate_committee
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker

# ruff: noqa: T201 - progress

PUPIL = Teacher("tersoff", "tersoff", "Si.tersoff", ("Si",), "diamond", 5.432, 2500)
TEACHER = BY_NAME["silicon"]
LABELS = (10, 20, 40)
RUNS = 10  # of the external set, 8 frames each
TUNING = {"lr": 0.005, "E0s": "estimated"}
"""A quarter of the learning rate from scratch."""


@dataclass(frozen=True)
class Comparison:
    """
    Models from scratch and fine-tuned, on the same labels.

    Attributes
    ----------
    folder
        Where all is kept.
    foundation
        The model that is fine-tuned.
    scratch
        How models are trained from scratch; fine-tuned ones differ by ``TUNING``.
    """

    folder: Path
    foundation: Artifact
    scratch: MACETrainingMaker

    def trainer(self, way: str) -> MACETrainingMaker:
        """Return how a model is trained, ``scratch`` or ``fine-tuned``."""
        if way == "scratch":
            return self.scratch
        path = self.foundation.to_file(self.folder / self.foundation.name)
        options = {**self.scratch.hyperparameters, **TUNING}
        return MACETrainingMaker(foundation_model=str(path), hyperparameters=options)

    def labelled(self, n: int, seed: int) -> Dataset:
        """Return n labelled cells and the isolated atom."""
        whole = cached(
            self.folder / f"start-{seed}.pkl",
            lambda: PUPIL.starting_dataset(seed, self.folder / "lammps"),
        )
        held_out = max(n // 10, 1)
        cells, sets = whole.n_atoms > 1, whole.info["split"].astype(str)
        rows = [
            np.flatnonzero(~cells),
            np.flatnonzero(cells & (sets == "val"))[:held_out],
            np.flatnonzero(cells & (sets == "test"))[:held_out],
            np.flatnonzero(cells & (sets == "train"))[: n - 2 * held_out],
        ]
        return whole[np.concatenate(rows)]

    def error_of(self, model: Any, external: Dataset) -> dict[str, float]:
        """Return RMSE over frames: energy (eV/atom), forces (eV/A)."""
        true = error(evaluate_committee([model], external), external)
        return {
            name: float(np.sqrt(np.mean(true[name] ** 2)))
            for name in ("energy", "forces")
        }

    def rows(self, labels: Sequence[int], seeds: Sequence[int]) -> dict[str, Any]:
        """Train, or take up, and return errors by way and number of labels."""
        external = cached(
            self.folder / "external.pkl",
            lambda: PUPIL.explored_frames(10**6, self.folder / "lammps", RUNS),
        )
        table: dict[str, Any] = {
            "frames": len(external),
            "foundation, not tuned": self.error_of(self.foundation, external),
        }
        for way in ("scratch", "fine-tuned"):
            table[way] = {}
            for n in labels:
                found = []
                for seed in seeds:
                    place = self.folder / f"{way}-{n}-{seed}"
                    dataset = self.labelled(n, seed)
                    start = derive_seed(seed, way, n)
                    trainer = with_steps(self.trainer(way), dataset, STEPS)
                    member, _ = cached(
                        place.with_suffix(".pkl"),
                        partial(train_one, trainer, dataset, start, place),
                    )
                    found.append(self.error_of(member, external))
                    print(way, n, seed, found[-1], flush=True)
                table[way][n] = found
        return table


def tuning_figure(table: dict[str, Any]) -> Figure:
    """Plot force errors against labels, each seed a point."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axis = figure.subplots()
    for way in ("scratch", "fine-tuned"):
        labels = list(table[way])
        errors = [[row["forces"] for row in table[way][n]] for n in labels]
        (line,) = axis.plot(labels, [np.mean(e) for e in errors], "-", label=way)
        for n, own in zip(labels, errors, strict=True):
            axis.plot([n] * len(own), own, "o", color=line.get_color())
    untouched = table["foundation, not tuned"]["forces"]
    axis.axhline(untouched, ls=":", c="grey", label="foundation, not tuned")
    axis.set(xlabel="labels", ylabel="force error (eV/\u00c5)", yscale="log")
    axis.legend(frameon=False)
    return figure


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--labels", default=",".join(map(str, LABELS)))
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "fine-tuning"
    folder.mkdir(parents=True, exist_ok=True)
    found = mace_committee(TEACHER, folder, size=1, n_frames=120, steps=2 * STEPS)
    comparison = Comparison(folder, found.documents[0].model, TRAINER)
    labels, seeds = (
        [int(n) for n in text.split(",")] for text in (given.labels, given.seeds)
    )
    table = comparison.rows(labels, seeds)
    what = (
        "RMSE over external frames of Tersoff's silicon (eV/atom, eV/A), a row a seed: "
        "models from scratch, and fine-tuned ones of Stillinger and Weber's "
        f"({len(found.dataset)} labels)"
    )
    keep("fine_tuning", what, table, tuning_figure(table), given.results)


if __name__ == "__main__":
    main()
