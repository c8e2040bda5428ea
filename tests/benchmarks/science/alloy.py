"""
Do end members and active learning make a model of their alloys?

A small form of Fig. 11 of the AiiDA-TrainsPot paper, on copper and nickel, labelled by
an embedded-atom potential. One committee is trained on random alloys of all
compositions, another on distorted copper, distorted nickel, and what it chooses of its
own molecular dynamics of these, with as many labels. Both predict the energy of mixing
of random alloys. Unlike the paper's two tellurides, the end members hold no contact of
the two elements.

    python tests/benchmarks/science/alloy.py --folder study

The committees are kept in the folder and taken up again. The table and the figure are
written to ``--results``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).parents[1]))

from md_campaign import Generation, MDCampaign
from outcome import RESULTS, keep
from teachers import TEACHERS, Teacher

from flowpot import BatchedMDMaker, ExplorationMaker
from flowpot.augmentation import Alloys, Distortions, alloy
from flowpot.dataset import Dataset
from flowpot.evaluation import evaluate_committee
from flowpot.properties.statistics import interval
from flowpot.randomness import derive_rng
from flowpot.training import MACETrainingMaker

(TEACHER,) = [teacher for teacher in TEACHERS if teacher.name == "alloy"]
SPECIES = ("Cu", "Ni")
LATTICE = {"Cu": 3.615, "Ni": 3.52}  # A
COMPOSITIONS = np.linspace(0, 1, 9)  # shares of nickel
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE", batch_size=5, max_num_epochs=30, lr_scheduler_gamma=0.92
)
EXPLORATION = ExplorationMaker(
    md_maker=BatchedMDMaker(n_steps=300, sample_interval=30, timestep=2.0),
    n_starts=16,
    temperatures=(300.0, 1500.0),
    member="round robin",
)
DISTORTED = Distortions(fraction=0.1, strain=(-0.05, 0.08), vacancy_fraction=0.0)
FIRST, CHOSEN = 30, 30  # labels: of the end members, and of what is explored


def crystal(symbol: str, repeat: int = 1) -> Atoms:
    """Return a face-centred cubic cell of an element, repeated along each edge."""
    atoms = bulk(symbol, "fcc", a=LATTICE[symbol], cubic=True)
    return atoms * ((2, 1, 1) if repeat == 1 else (repeat,) * 3)


def campaigns(folder: Path) -> dict[str, MDCampaign]:
    """Return both campaigns, which end with as many labels."""
    both = {
        "teacher": TEACHER,
        "inputs": [crystal(symbol) for symbol in SPECIES],
        "trainer": TRAINER,
        "exploration": EXPLORATION,
    }
    mixed = Alloys(SPECIES, n_frames=FIRST + CHOSEN, distortion=DISTORTED)
    pure = replace(DISTORTED, n_frames=FIRST // len(SPECIES))
    return {
        "alloys": MDCampaign(folder / "alloys", kinds=[mixed], n_iterations=1, **both),
        "end members": MDCampaign(
            folder / "end-members",
            kinds=[pure],
            n_iterations=2,
            n_labels=CHOSEN,
            **both,
        ),
    }


def random_alloys(n: int, seed: int, repeat: int = 2) -> tuple[Dataset, np.ndarray]:
    """
    Return unlabelled alloys, n of each composition, and their shares of nickel, (k,).

    Atoms are on the sites of a lattice between those of the elements (Vegard). There is
    one frame of each element.
    """
    rng = derive_rng(seed, "alloys")
    volumes = {symbol: a**3 / 4 for symbol, a in LATTICE.items()}
    frames, shares = [], []
    for share in COMPOSITIONS:
        for _ in range(n if 0 < share < 1 else 1):
            frames.append(
                alloy(
                    crystal("Cu", repeat),
                    rng,
                    species=SPECIES,
                    composition={"Cu": 1 - share, "Ni": share},
                    end_members=volumes,
                )
            )
            shares.append(float((frames[-1].symbols == "Ni").mean()))
    return Dataset.from_atoms(frames, labels=False), np.array(shares)


def mixing(energies: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """
    Return energies of mixing.

    Parameters
    ----------
    energies
        Energies per atom, (..., k) in eV/atom.
    shares
        Shares of the second element, (k,), with 0 and 1 among them.

    Examples
    --------
    >>> mixing(np.array([1.0, 2.5, 2.0]), np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    first, last = (energies[..., np.flatnonzero(shares == end)[:1]] for end in (0, 1))
    return energies - (1 - shares) * first - shares * last


def compared(
    generations: dict[str, Generation], teacher: Teacher, n: int, folder: Path
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a table of the energies of mixing, and those of each frame."""
    frames, shares = random_alloys(n, seed=0)
    labelled = teacher.label(frames, folder)
    true = mixing(labelled.energy / frames.n_atoms, shares)
    inner = (shares > 0) & (shares < 1)
    table: dict[str, Any] = {
        "frames": int(inner.sum()),
        "teacher": {
            "mean": float(true[inner].mean()),
            "largest": float(np.abs(true[inner]).max()),
        },
    }
    curves = {"shares": shares, "teacher": true}
    for name, generation in generations.items():
        seen = evaluate_committee(generation.members, frames)
        members = mixing(seen.energy / frames.n_atoms, shares)
        off = members.mean(axis=0) - true
        bars = [interval(column.tolist())[0] for column in members.T]
        low, high = np.array(bars)[inner].T
        holds = (low <= true[inner]) & (true[inner] <= high)
        table[name] = {
            "labels": len(generation.dataset),
            "mean absolute error": float(np.abs(off[inner]).mean()),
            "mean error": float(off[inner].mean()),
            "members' intervals hold": float(holds.mean()),
        }
        curves[name] = members
    return table, curves


def mixing_figure(curves: dict[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Plot energies of mixing against composition."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axis = figure.subplots()
    shares = curves["shares"]
    axis.plot(shares, 1e3 * curves["teacher"], "k_", ms=12, label="teacher")
    for shift, name in zip((-0.01, 0.01), names, strict=True):
        members = 1e3 * curves[name]
        axis.errorbar(
            shares + shift,
            members.mean(axis=0),
            members.std(axis=0, ddof=1),
            fmt="o",
            ms=3,
            label=name,
        )
    axis.set(xlabel="share of nickel", ylabel="energy of mixing (meV/atom)")
    axis.legend(frameon=False)
    return figure


def main() -> None:
    """Run both campaigns, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--frames", type=int, default=10, help="of each composition")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "alloy"
    last = {
        name: campaign.generations()[-1] for name, campaign in campaigns(folder).items()
    }
    table, curves = compared(last, TEACHER, given.frames, folder / "lammps")
    what = (
        "energies of mixing (eV/atom) of random alloys of copper and nickel, 32 atoms "
        "on a lattice between those of the elements, by committees trained on alloys, "
        "and on the elements alone"
    )
    keep("alloy", what, table, mixing_figure(curves, list(last)), given.results)


if __name__ == "__main__":
    main()
