"""Amorphous carbon, quenched from a liquid: radial distribution function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atom, Atoms
from ase.neighborlist import neighbor_list
from matplotlib.figure import Figure
from md_campaign import fresh_folder

from flowpot import BatchedMDMaker
from flowpot.dataset import Dataset
from flowpot.exploration.preparation import Committee, Planned
from flowpot.randomness import derive_rng

DENSITY = 3.5  # g/cm^3
_ATOMIC_MASS = 1.66053907  # g/cm^3 of one u in a cubic angstrom
_CLOSEST = 1.3  # A, of two atoms to begin with
BOND = 1.85  # A, up to which two atoms are neighbours
LONGEST, WIDTH = 4.5, 0.05  # A


@dataclass(frozen=True)
class Quench:
    """
    Atoms at random places, made a liquid and cooled at constant volume.

    A crystal would have to melt first, for which these runs are too short.

    Attributes
    ----------
    n_atoms
        Number of atoms.
    hot, cold
        Temperatures (K).
    melt, cool, sample
        Steps at the hot one, from there to the cold one, and at the cold one.
    timestep
        In fs.
    """

    n_atoms: int = 64
    hot: float = 5000.0
    cold: float = 300.0
    melt: int = 300
    cool: int = 700
    sample: int = 200
    timestep: float = 1.0

    def start(self, seed: int) -> Atoms:
        """Return atoms that are put at random places, none too close to another."""
        edge = (self.n_atoms * 12.011 * _ATOMIC_MASS / DENSITY) ** (1 / 3)
        rng = derive_rng(seed, "places")
        atoms = Atoms(cell=[edge] * 3, pbc=True)
        while len(atoms) < self.n_atoms:
            atoms.append(Atom("C", rng.uniform(0, edge, 3)))
            others = list(range(len(atoms) - 1))
            distances = atoms.get_distances(-1, others, mic=True) if others else []
            if others and np.min(distances) < _CLOSEST:
                atoms.pop()
        return atoms

    def run(self, member: Any, seed: int, folder: Path) -> Dataset | str:
        """Return the frames at the cold temperature, or why a run ended before."""
        atoms = self.start(seed)
        for name, n_steps, temperature in (
            ("melt", self.melt, (self.hot, self.hot)),
            ("cool", self.cool, (self.hot, self.cold)),
            ("sample", self.sample, (self.cold, self.cold)),
        ):
            maker = BatchedMDMaker(
                ensemble="nvt",
                n_steps=n_steps,
                sample_interval=max(n_steps // 10, 1),
                timestep=self.timestep,
            )
            planned = Planned(atoms, maker.conditions(temperature, seed=seed), name)
            with fresh_folder(folder / name):
                (run,) = maker.simulate([planned], Committee([member]))
            if run.state != "done":
                return f"{name}, step {run.n_steps} of {n_steps}: {run.reason}"
            frames = Dataset.load(run.dataset)
            atoms = frames.to_atoms()[-1]
        return frames


def distribution(frames: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """
    Return distances (A) and the radial distribution function, (b,) each.

    Raises
    ------
    ValueError
        Without a frame.
    """
    if not len(frames):
        raise ValueError("frames is empty: give one at least")
    edges = np.arange(0.0, LONGEST + WIDTH, WIDTH)
    found = np.zeros(len(edges) - 1)
    for atoms in frames:
        counts = np.histogram(neighbor_list("d", atoms, edges[-1]), edges)[0]
        ideal = len(atoms) ** 2 / atoms.get_volume()
        found += counts / (ideal * 4 / 3 * np.pi * np.diff(edges**3))
    return (edges[1:] + edges[:-1]) / 2, found / len(frames)


def coordination(frames: Sequence[Atoms]) -> dict[str, float]:
    """Return shares of atoms with two, three and four neighbours."""
    numbers = np.concatenate(
        [
            np.bincount(neighbor_list("i", atoms, BOND), minlength=len(atoms))
            for atoms in frames
        ]
    )
    names = {"sp": 2, "sp2": 3, "sp3": 4}
    return {name: float((numbers == n).mean()) for name, n in names.items()}


def peaks(distances: np.ndarray, values: np.ndarray) -> dict[str, list[float]]:
    """Return place (A) and height of the first two peaks."""
    table = {}
    for name, low, high in (("first", 1.2, 1.85), ("second", 2.1, 3.0)):
        inside = np.flatnonzero((distances > low) & (distances < high))
        best = inside[np.argmax(values[inside])]
        table[name] = [float(distances[best]), float(values[best])]
    return table


def summary(runs: Sequence[Dataset | str]) -> dict[str, Any]:
    """Return what the runs of a potential have in common, and why some ended early."""
    ended = [run for run in runs if isinstance(run, str)]
    found = [run.to_atoms() for run in runs if not isinstance(run, str)]
    table: dict[str, Any] = {"runs": len(runs), "ended early": ended}
    if found:
        frames = [atoms for own in found for atoms in own]
        table |= {
            "coordination": coordination(frames),
            "peaks": peaks(*distribution(frames)),
            "coordination of runs": [coordination(own) for own in found],
        }
    return table


def amorphous_figure(runs: Mapping[str, Sequence[Dataset | str]]) -> Figure:
    """Plot the distribution of each run that did not end early."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    for (name, own), color in zip(runs.items(), ("C0", "k"), strict=True):
        found = [run.to_atoms() for run in own if not isinstance(run, str)]
        for number, frames in enumerate(found):
            label = None if number else f"{name}, {len(found)} of {len(own)} runs"
            axis.plot(*distribution(frames), color=color, lw=1, label=label)
    axis.set(xlabel="distance (\u00c5)", ylabel="g(r)", xlim=(0.8, LONGEST))
    axis.legend(frameon=False)
    return figure
