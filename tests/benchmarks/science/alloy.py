"""
Do end members and active learning make a model of their alloys?

A small form of Fig. 11 of the AiiDA-TrainsPot paper, on copper and nickel, labelled by
an embedded-atom potential. One committee is trained on random alloys of all
compositions in two phases, face- and body-centred cubic; another on distorted copper
and nickel in both, and what it chooses of its own molecular dynamics of these, with as
many labels. Both predict how far the energies of the two phases of random alloys are
apart, as in the paper, and the energy of mixing in one of them. Unlike the paper's two
tellurides, the end members hold no contact of the two elements.

    python tests/benchmarks/science/alloy.py --folder study

The committees are kept in the folder and taken up again. The table and the figure are
written to ``--results``.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).parents[1]))

from md_campaign import MDCampaign
from outcome import RESULTS, keep
from teachers import BY_NAME

from flowpot import BatchedMDMaker, ExplorationMaker
from flowpot.augmentation import Alloys, Distortions, alloy
from flowpot.dataset import Dataset
from flowpot.evaluation import evaluate_committee
from flowpot.properties.statistics import interval
from flowpot.randomness import derive_rng
from flowpot.training import MACETrainingMaker

TEACHER = BY_NAME["alloy"]
SPECIES = ("Cu", "Ni")
VOLUME = {"Cu": 11.81, "Ni": 10.90}  # A^3/atom
PHASES = {"fcc": 4, "bcc": 2}  # atoms of the cubic cell
REPEATED = {8: {"fcc": (2, 1, 1), "bcc": (2, 2, 1)}, 32: {"fcc": 2, "bcc": (4, 2, 2)}}
"""How a cell of so many atoms is made of cubic ones."""
COMPOSITIONS = np.linspace(0, 1, 9)  # shares of nickel
STEPS = 800  # of each training
TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE",
    batch_size=5,
    max_ell=3,
    correlation=3,
    energy_weight=30.0,  # forces alone leave the phases' energies apart
)
EXPLORATION = ExplorationMaker(
    md_maker=BatchedMDMaker(n_steps=300, sample_interval=30, timestep=2.0),
    n_starts=16,
    temperatures=(300.0, 1500.0),
    member="round robin",
)
DISTORTED = Distortions(fraction=0.1, strain=(-0.05, 0.08), vacancy_fraction=0.0)
FIRST, CHOSEN, ITERATIONS = 40, 20, 3
"""Labels of the end members, and of what an iteration explores; trainings."""


def crystal(symbol: str, phase: str, n_atoms: int) -> Atoms:
    """Return a cell of an element, of 8 or 32 atoms."""
    edge = (VOLUME[symbol] * PHASES[phase]) ** (1 / 3)
    cubic = bulk(symbol, phase, a=edge, cubic=True)
    return cubic * REPEATED[n_atoms][phase]


def campaigns(folder: Path) -> dict[str, MDCampaign]:
    """Return both campaigns, which end with as many labels."""
    both = {
        "teacher": TEACHER,
        "inputs": [crystal(s, phase, 8) for s in SPECIES for phase in PHASES],
        "trainer": TRAINER,
        "steps": STEPS,
        "exploration": EXPLORATION,
    }
    more = CHOSEN * (ITERATIONS - 1)
    mixed = Alloys(SPECIES, n_frames=FIRST + more, distortion=DISTORTED)
    pure = replace(DISTORTED, n_frames=FIRST // len(both["inputs"]))
    return {
        "alloys": MDCampaign(folder / "alloys", kinds=[mixed], n_iterations=1, **both),
        "end members": MDCampaign(
            folder / "end-members",
            kinds=[pure],
            n_iterations=ITERATIONS,
            n_labels=CHOSEN,
            **both,
        ),
    }


def random_alloys(phase: str, n: int, seed: int) -> tuple[Dataset, np.ndarray]:
    """
    Return unlabelled alloys, n of each composition, and their shares of nickel, (k,).

    Atoms are on the sites of a lattice between those of the elements (Vegard). There is
    one frame of each element.
    """
    rng = derive_rng(seed, "alloys", phase)
    sites = crystal("Cu", phase, 32)
    frames, shares = [], []
    for share in COMPOSITIONS:
        for _ in range(n if 0 < share < 1 else 1):
            frames.append(
                alloy(
                    sites,
                    rng,
                    species=SPECIES,
                    composition={"Cu": 1 - share, "Ni": share},
                    end_members=VOLUME,
                )
            )
            shares.append(float((frames[-1].symbols == "Ni").mean()))
    return Dataset.from_atoms(frames, labels=False), np.array(shares)


def by_composition(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """
    Return means over the frames of each composition, (..., number of compositions).

    Examples
    --------
    >>> by_composition(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 0.5])).tolist()
    [1.0, 3.0]
    """
    return np.stack(
        [values[..., shares == share].mean(axis=-1) for share in np.unique(shares)], -1
    )


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


@dataclass(frozen=True)
class Side:
    """
    Energies per atom (eV) of the alloys of each phase, by the teacher or a committee.

    Attributes
    ----------
    energies
        By phase: (k,) of the teacher, (m, k) of m members.
    shares
        By phase: shares of nickel, (k,).
    """

    energies: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]

    def quantity(self, name: str) -> np.ndarray:
        """Return what is compared (eV/atom), by composition, the elements included."""
        means = {
            phase: by_composition(each, self.shares[phase])
            for phase, each in self.energies.items()
        }
        if name == "mixing":
            return mixing(means["fcc"], np.unique(self.shares["fcc"]))
        return means["bcc"] - means["fcc"]


QUANTITIES = {
    "phases": "energy of bcc above fcc (meV/atom)",
    "mixing": "energy of mixing, fcc (meV/atom)",
}


def compared(members: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Compare what members (m, c) say of alloys with the truth (c,), in eV/atom."""
    off = members.mean(axis=0) - true
    low, high = np.array([interval(column.tolist())[0] for column in members.T]).T
    return {
        "mean absolute error": float(np.abs(off).mean()),
        "mean error": float(off.mean()),
        "members' intervals hold": float(((low <= true) & (true <= high)).mean()),
    }


def table_of(teacher: Side, committees: dict[str, Side]) -> dict[str, Any]:
    """Compare the committees with the teacher, in alloys alone."""
    table: dict[str, Any] = {}
    for name in QUANTITIES:
        true = teacher.quantity(name)[1:-1]
        table[name] = {"teacher": true.tolist()} | {
            kind: compared(side.quantity(name)[:, 1:-1], true)
            for kind, side in committees.items()
        }
    return table


def plot(teacher: Side, committees: dict[str, Side]) -> Figure:
    """Plot both quantities against composition."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axis, (name, label) in zip(
        figure.subplots(1, 2), QUANTITIES.items(), strict=True
    ):
        shares = np.unique(teacher.shares["fcc"])
        axis.plot(shares, 1e3 * teacher.quantity(name), "k_", ms=12, label="teacher")
        for shift, (kind, side) in zip((-0.01, 0.01), committees.items(), strict=True):
            members = 1e3 * side.quantity(name)
            axis.errorbar(
                shares + shift,
                members.mean(axis=0),
                members.std(axis=0, ddof=1),
                fmt="o",
                ms=3,
                label=kind,
            )
        axis.set(xlabel="share of nickel", ylabel=label)
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
    drawn = {phase: random_alloys(phase, given.frames, seed=0) for phase in PHASES}
    shares = {phase: each for phase, (_, each) in drawn.items()}
    labelled = {p: TEACHER.label(f, folder / "lammps") for p, (f, _) in drawn.items()}
    teacher = Side({p: f.energy / f.n_atoms for p, f in labelled.items()}, shares)
    committees = {
        name: Side(
            {
                phase: evaluate_committee(each.members, f).energy / f.n_atoms
                for phase, (f, _) in drawn.items()
            },
            shares,
        )
        for name, each in last.items()
    }
    table = table_of(teacher, committees)
    table["labels"] = {name: len(each.dataset) for name, each in last.items()}
    table["frames of a composition"] = given.frames
    what = (
        "random alloys of copper and nickel, 32 atoms on a lattice between those of "
        "the elements, by committees trained on alloys, and on elements alone: energy "
        "of bcc above fcc, and of mixing (eV/atom), means of each composition"
    )
    keep("alloy", what, table, plot(teacher, committees), given.results)


if __name__ == "__main__":
    main()
