"""
Does a model that was trained on labels for nothing need fewer of the real ones?

Distorted cells of three crystals are labelled by CHGNet, whose weights are in its
wheel (``pip install chgnet``), and a model is trained on them. Then it goes on with ten
or twenty other cells that have real labels: its reference energies are estimated anew.
The force error is that of cells that neither has seen, by real labels, beside the error
of models that were trained on the same labels from scratch, in as many steps. Real ones
are those of pw.x for silicon and SiC; for copper a potential of LAMMPS stands in for it
(EAM), from which CHGNet differs more. Models of several seeds are also taken as a
committee: does its spread tell its error as well where they were pretrained?

    python tests/benchmarks/science/pretraining.py --folder study

Everything that was computed is kept in the folder and taken up again; ``--crystals``
and ``--seeds`` choose a part. The results are ``pretraining.json`` and
``pretraining.png``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.units import GPa
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from flowpot.augmentation import Distortions, augment
from flowpot.dataset import Dataset
from flowpot.dataset.sets import TEST as TEST_SET
from flowpot.dataset.sets import TRAIN, VAL
from flowpot.evaluation import (
    disagreement,
    error,
    evaluate_committee,
    load_committee,
)
from flowpot.labelling import EspressoStaticMaker
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import train_one, with_steps
from outcome import RESULTS, keep
from teachers import BY_NAME, Teacher, cached

# ruff: noqa: T201 - progress, and the figures

FREE, MOST, TEST = 150, 20, 30  # frames by CHGNet; by the real one to learn; to test
STEPS = 1000
LABELS = (10, MOST)
WAYS = ("scratch", "pretrained")
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE",
    batch_size=5,
    E0s="average",
)


@dataclass(frozen=True)
class Crystal:
    """A crystal, in the cell that is distorted; pw.x labels it, or a teacher."""

    name: str
    formula: str
    lattice: str
    constant: float
    teacher: str | None = None
    kspacing: float = 0.45  # 1/A, of pw.x

    @property
    def cell(self) -> Atoms:
        """The cubic cell."""
        return bulk(self.formula, self.lattice, a=self.constant, cubic=True)


CHGNET = Teacher("chgnet", "chgnet", "", (), "", 0.0, 0.0)
CRYSTALS = (
    Crystal("silicon", "Si", "diamond", 5.47),
    # An insulator: labels of few k-points are off, but as one potential is.
    Crystal("carbide", "SiC", "zincblende", 4.38, kspacing=0.75),
    Crystal("copper", "Cu", "fcc", 3.63, "copper"),
)


@dataclass(frozen=True)
class Study:
    """One crystal, and the folder of what was computed."""

    crystal: Crystal
    folder: Path

    def frames(self) -> Dataset:
        """Return all frames, without labels: the free ones, to learn, to test."""
        n = FREE + MOST + TEST
        plan = Distortions(
            n_frames=2 * n, fraction=0.2, strain=(-0.06, 0.08), vacancy_fraction=0.0
        )
        cell = self.crystal.cell
        frames = augment([cell], [plan], seed=0).frames
        return frames[np.flatnonzero(frames.n_atoms == len(cell))[:n]]

    def free(self) -> Dataset:
        """Label by CHGNet."""

        def label() -> Dataset:
            return in_sets(CHGNET.label(self.frames()[:FREE], self.folder))

        return cached(self.folder / "free.pkl", label)

    def costly(self) -> Dataset:
        """Label by the teacher or pw.x: frames to learn, and those to test."""
        if self.crystal.teacher is not None:
            teacher = BY_NAME[self.crystal.teacher]
            return teacher.label(self.frames()[FREE:], self.folder)
        maker = EspressoStaticMaker(
            protocol="fast",
            pseudo_family="debian-pbe",
            kspacing=self.crystal.kspacing,
            cache=str((self.folder / "labels").absolute()),
        )
        frames, found = self.frames()[FREE:], []
        for number, frame in enumerate(frames):
            made = maker.label_in(frame, self.folder / "pwx" / str(number)).output
            stress = np.array(made.stress) * (-0.1 * GPa)  # of VASP's kbar
            found.append((made.energy, np.array(made.forces), stress))
        return labelled(frames, found)

    def train(self, name: str, dataset: Dataset, seed: int, start: Any = None) -> Any:
        """Train a model, or take it up."""
        maker = TRAINER
        if start is not None:
            options = TRAINER.hyperparameters | {"E0s": "estimated"}
            maker = replace(TRAINER, foundation_model=start, hyperparameters=options)

        def make() -> Any:
            folder = self.folder / name
            rmtree(folder, ignore_errors=True)  # of a run that was killed
            found, _ = train_one(
                with_steps(maker, dataset, STEPS), dataset, seed, folder
            )
            return found

        return cached(self.folder / f"{name}.pkl", make)

    def run(self, seeds: Sequence[int]) -> dict[str, Any]:
        """Return the force errors (eV/A): before, and from scratch and pretrained."""
        costly = cached(self.folder / "costly.pkl", self.costly)
        test = costly[MOST:]
        error_of = partial(force_error, test=test)
        known = costly.forces[np.repeat(np.arange(len(costly)) >= MOST, costly.n_atoms)]
        rows: dict[str, Any] = {"rms force": float(np.sqrt(np.mean(known**2)))}
        for seed in seeds:
            first = self.train(f"free-{seed}", self.free(), derive_seed(seed, "free"))
            found = {"pretrained, no labels": error_of(first)}
            for n in LABELS:
                labels = in_sets(costly[:n])
                own = derive_seed(seed, n)
                for way, start in zip(WAYS, (None, first.model), strict=True):
                    model = self.train(f"{way}-{n}-{seed}", labels, own, start)
                    found[f"{way}, {n} labels"] = error_of(model)
            print(self.crystal.name, seed, json.dumps(found), flush=True)
            rows[str(seed)] = found
        if len(seeds) > 1:
            for way in (f"{way}, {n} labels" for way in WAYS for n in LABELS):
                rows[f"committee, {way}"] = self.committee(way, seeds, test)
        return rows

    def committee(
        self, way: str, seeds: Sequence[int], test: Dataset
    ) -> dict[str, float]:
        """Compare the error of the mean of several seeds with their spread."""
        kind, n = way.removesuffix(" labels").split(", ")
        names = [f"{kind}-{n}-{seed}.pkl" for seed in seeds]
        members = [cached(self.folder / name, lambda: None) for name in names]
        predicted = evaluate_committee(load_committee(members), test)
        errors, spreads = error(predicted, test), disagreement(predicted, test)
        of_frames = {"error": errors["forces"], "spread": spreads["forces"]}
        rms = {k: float(np.sqrt(np.mean(v**2))) for k, v in of_frames.items()}
        ranks = spearmanr(*of_frames.values()).statistic
        return {
            **rms,
            "members": len(members),
            "spread / error": rms["spread"] / rms["error"],
            "rank correlation": float(ranks),
        }


def labelled(frames: Dataset, found: Sequence[tuple[float, Any, Any]]) -> Dataset:
    """Give frames the energies, forces and stresses that were found."""
    energy, forces, stress = zip(*found, strict=True)
    return frames.with_labels(
        energy=np.array(energy), forces=np.concatenate(forces), stress=np.array(stress)
    )


def in_sets(frames: Dataset) -> Dataset:
    """Let of ten frames two validate, one be tested, and the others train."""
    sets = np.array([TRAIN] * 7 + [TEST_SET, VAL, VAL], dtype=object)
    return frames.with_info(split=sets[np.arange(len(frames)) % len(sets)])


def force_error(model: Any, test: Dataset) -> float:
    """Return the root mean square of the errors of the forces (eV/A)."""
    found = error(evaluate_committee(load_committee([model]), test), test)["forces"]
    return float(np.sqrt(np.mean(found**2)))


def plot(results: dict[str, dict[str, Any]]) -> Figure:
    """Plot the errors against labels, a panel each crystal, and print them."""
    figure = Figure(figsize=(3.6 * len(results), 3.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(results)))
    for place, (crystal, rows) in zip(axes, results.items(), strict=True):
        seeds = [row for name, row in rows.items() if name.isdigit()]
        for way in WAYS:
            errors = np.array(
                [[row[f"{way}, {n} labels"] for n in LABELS] for row in seeds]
            )
            place.errorbar(
                LABELS,
                errors.mean(0),
                [errors.mean(0) - errors.min(0), errors.max(0) - errors.mean(0)],
                fmt="o-",
                capsize=3,
                label=way,
            )
            told = "  ".join(
                f"{n}: {e:.3f}" for n, e in zip(LABELS, errors.mean(0), strict=True)
            )
            print(f"{crystal:10s} {way:10s} {told} eV/A, {len(seeds)} seeds")
        place.set(title=crystal, xlabel="real labels", yscale="log")
        place.set_ylabel("force error (eV/\u00c5)")
        place.legend(frameon=False)
    return figure


def main() -> None:
    """Run what is asked for, and show all that there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--crystals", default="silicon,carbide,copper")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder / "pretraining"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pretraining.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    known = {crystal.name: crystal for crystal in CRYSTALS}
    for name in given.crystals.split(","):
        study = Study(known[name], folder / name)
        results[name] = study.run([int(seed) for seed in given.seeds.split(",")])
        file.write_text(json.dumps(results, indent=1))
    what = "by crystal and seed: root mean square of the force error (eV/A)"
    keep("pretraining", what, results, plot(results), given.results)


if __name__ == "__main__":
    main()
