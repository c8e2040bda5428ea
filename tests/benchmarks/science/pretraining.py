"""
Does a model that was trained on labels for nothing need fewer of pw.x's?

Distorted cells of three crystals are labelled by CHGNet, whose weights are in its
wheel (``pip install chgnet``), and a model is trained on them. Then it goes on with ten
or twenty other cells that pw.x has labelled: its reference energies are estimated anew.
The force error is that of cells that neither has seen, by pw.x, beside the error of
models that were trained on the same labels from scratch.

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
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.units import GPa
from matplotlib.figure import Figure

from flowpot.augmentation import Distortions, augment
from flowpot.dataset import Dataset
from flowpot.dataset.sets import TEST as TEST_SET
from flowpot.dataset.sets import TRAIN, VAL
from flowpot.evaluation import error, evaluate_committee, load_committee
from flowpot.labelling import EspressoStaticMaker
from flowpot.randomness import derive_seed
from flowpot.training import MACETrainingMaker
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

sys.path.append(str(Path(__file__).parents[1]))

from outcome import RESULTS, keep
from teachers import cached

# ruff: noqa: T201 - progress, and the figures

FREE, MOST, TEST = 150, 20, 30  # frames by CHGNet; by pw.x to learn; by pw.x to test
LABELS = (10, MOST)
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE",
    batch_size=5,
    max_num_epochs=60,
    lr_scheduler_gamma=0.96,
    E0s="average",
)


@dataclass(frozen=True)
class Crystal:
    """A crystal, in the cell whose distortions are labelled."""

    name: str
    formula: str
    lattice: str
    constant: float

    @property
    def cell(self) -> Atoms:
        """The cubic cell."""
        return bulk(self.formula, self.lattice, a=self.constant, cubic=True)


CRYSTALS = (
    Crystal("silicon", "Si", "diamond", 5.47),
    Crystal("carbide", "SiC", "zincblende", 4.38),
    Crystal("copper", "Cu", "fcc", 3.63),
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
            from chgnet.model.dynamics import CHGNetCalculator

            calculator = CHGNetCalculator(use_device="cpu", check_cuda_mem=False)
            found = []
            for frame in self.frames()[:FREE]:
                frame.calc = calculator
                found.append(
                    (
                        frame.get_potential_energy(),
                        frame.get_forces(),
                        frame.get_stress(voigt=False),
                    )
                )
            return in_sets(labelled(self.frames()[:FREE], found))

        return cached(self.folder / "free.pkl", label)

    def costly(self) -> Dataset:
        """Label by pw.x, one frame after the other: those to learn, those to test."""
        maker = EspressoStaticMaker(
            protocol="fast",
            pseudo_family="debian-pbe",
            kspacing=0.45,
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
            place = Place(self.folder / name)
            (found,) = train_members(
                maker, TrainingSets.load(dataset), [seed], [None], place
            )
            if found.failure:
                raise RuntimeError(found.failure)
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
                for way, start in (("scratch", None), ("pretrained", first.model)):
                    model = self.train(f"{way}-{n}-{seed}", labels, own, start)
                    found[f"{way}, {n} labels"] = error_of(model)
            print(self.crystal.name, seed, json.dumps(found), flush=True)
            rows[str(seed)] = found
        return rows


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
        seeds = [row for name, row in rows.items() if name != "rms force"]
        for way in ("scratch", "pretrained"):
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
        place.set(title=crystal, xlabel="labels by pw.x", yscale="log")
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
    what = "by crystal and seed: root mean square of the force error by pw.x (eV/A)"
    keep("pretraining", what, results, plot(results), given.results)


if __name__ == "__main__":
    main()
