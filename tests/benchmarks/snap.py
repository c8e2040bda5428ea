"""
A potential that is linear in its parameters: what limits it is its labels.

A network of an affordable size and training learns ten frames as badly as a hundred
and fifty. The least squares solution of a linear potential is found in seconds.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.sets import TRAIN, VAL, sets_of
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.library import open_lammps
from flowpot.potentials import Potential, Prediction
from flowpot.randomness import derive_rng

_VIRIAL = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of the last six rows of LAMMPS' array."""
_RIDGES = 10.0 ** np.arange(-9, 0)
"""Of the mean square of the columns; the best on the validation set is taken."""
_SCALES = {"energy": 0.005, "forces": 0.1, "stress": 0.005}
"""Errors that weigh alike (eV/atom, eV/A, eV/A^3)."""


@dataclass(frozen=True, eq=False)
class Rows:
    """
    What a frame's energy, forces and stress are the products of with p parameters.

    Attributes
    ----------
    energy
        (p,), without unit.
    forces
        (N, 3, p), in 1/A.
    stress
        (3, 3, p), in 1/A^3; NaN without a periodic axis.
    features
        (N, D) linear components of each atom.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    features: np.ndarray

    def weighted(self, labels: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return equations and their right sides, each over the error it may have."""
        (energy,), forces, (stress,) = labels.energy, labels.forces, labels.stress
        n, p = len(forces), len(self.energy)
        rows = [
            self.energy[None] / n / _SCALES["energy"],
            self.forces.reshape(-1, p) / _SCALES["forces"],
        ]
        sides = [
            np.array([energy]) / n / _SCALES["energy"],
            forces.ravel() / _SCALES["forces"],
        ]
        if np.isfinite(stress).all() and np.isfinite(self.stress).all():
            rows.append(self.stress.reshape(-1, p) / _SCALES["stress"])
            sides.append(stress.ravel() / _SCALES["stress"])
        return np.concatenate(rows), np.concatenate(sides)


@dataclass(eq=False)
class Bispectrum:
    """
    Bispectrum components of the neighbourhoods of atoms, and their products in pairs.

    LAMMPS computes them (``compute snap``): Thompson, Swiler, Trott, Foiles and Tucker,
    J. Comput. Phys. 285, 316 (2015); quadratic: Wood and Thompson, J. Chem. Phys. 148,
    241721 (2018). What was computed is remembered.

    Attributes
    ----------
    species
        Chemical symbols, by atomic number.
    cutoff
        In A.
    order
        LAMMPS' twojmax.
    folder
        For LAMMPS' log.
    """

    species: tuple[str, ...]
    cutoff: float
    folder: Path
    order: int = 6
    _known: dict[bytes, Rows] = field(default_factory=dict)

    @cached_property
    def lammps(self) -> Any:
        """LAMMPS, started when it is needed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return open_lammps(self.folder / "snap.log")

    def of(self, frame: Arrays) -> Rows:
        """Return the rows of one frame."""
        parts = (frame.numbers, frame.positions, frame.cell, frame.pbc)
        key = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        if key not in self._known:
            self._known[key] = self._computed(
                Atoms(
                    frame.numbers, frame.positions, cell=frame.cell[0], pbc=frame.pbc[0]
                )
            )
        return self._known[key]

    def _computed(self, atoms: Atoms) -> Rows:
        periodic = atoms.pbc.any()
        if not periodic:
            atoms = atoms.copy()
            atoms.center(vacuum=self.cutoff)
        cell = LammpsCell.of(atoms)
        kinds = [atomic_numbers[symbol] for symbol in self.species]
        types = np.searchsorted(kinds, atoms.numbers) + 1
        table, features = self._by_lammps(atoms, cell, types)
        n, k = len(atoms), len(kinds)
        counts = np.array([(types == i + 1).sum() for i in range(k)], dtype=float)
        forces = np.tensordot(
            table[1:-6].reshape(n, 3, -1), cell.rotation, axes=(1, 1)
        ).transpose(0, 2, 1)
        stress = np.full((3, 3, table.shape[1]), np.nan)
        if periodic:
            for (i, j), row in zip(_VIRIAL, table[-6:], strict=True):
                stress[i, j] = stress[j, i] = -row / atoms.get_volume()
            stress = np.einsum("ia,abp,jb->ijp", cell.rotation, stress, cell.rotation)
        return Rows(
            np.concatenate([table[0], counts]),
            np.concatenate([forces, np.zeros((n, 3, k))], axis=2),
            np.concatenate([stress, np.zeros((3, 3, k))], axis=2),
            features,
        )

    def _by_lammps(
        self, atoms: Atoms, cell: LammpsCell, types: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return LAMMPS' array, of energy, forces and virial, and each atom's row."""
        (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.start
        n, k = len(atoms), len(self.species)
        radii = " ".join(["0.5"] * k)
        weights = " ".join(f"{1 / (1 + i)}" for i in range(k))
        settings = f"{self.cutoff} 0.99363 {self.order} {radii} {weights} bzeroflag 1"
        edges = ["p" if periodic else "f" for periodic in atoms.pbc[cell.order]]
        self.lammps.commands_list(
            [
                "clear",
                "units metal",
                "atom_modify map array sort 0 0",
                f"boundary {' '.join(edges)}",
                "box tilt large",
                f"region box prism 0 {lx} 0 {ly} 0 {lz} {xy} {xz} {yz}",
                f"create_box {k} box",
                "mass * 1",
                f"pair_style zero {self.cutoff}",
                "pair_coeff * *",
                "neigh_modify one 20000 page 200000",
            ]
        )
        places = cell.vectors(atoms.get_positions(wrap=True)).ravel().tolist()
        self.lammps.create_atoms(n, list(range(1, n + 1)), types.tolist(), places)
        self.lammps.commands_list(
            [
                f"compute rows all snap {settings} quadraticflag 1",
                f"compute atoms all sna/atom {settings}",
                "run 0",
            ]
        )
        table = np.array(self.lammps.numpy.extract_compute("rows", 0, 2))
        features = np.array(self.lammps.numpy.extract_compute("atoms", 1, 2))[:n]
        return table[:, :-1], features  # the last column is of a reference potential


class SnapPotential(Potential):
    """A potential that is linear in bispectrum components and their products."""

    backend, device = "snap", "cpu"

    def __init__(self, bispectrum: Bispectrum, parameters: np.ndarray) -> None:
        self.bispectrum, self.parameters = bispectrum, parameters
        self.species, self.cutoff = bispectrum.species, bispectrum.cutoff

    @property
    def graph_key(self) -> Hashable:
        """The components that it reads."""
        return id(self.bispectrum)

    def build_graph(self, frames: Arrays, skin: float = 0.0) -> list[Rows]:
        """Return the rows of each frame."""
        del skin
        return [self.bispectrum.of(frames.frame(i)) for i in range(len(frames))]

    def evaluate_graph(self, graph: list[Rows]) -> Prediction:
        """Multiply rows and parameters."""
        return Prediction(
            np.array([rows.energy @ self.parameters for rows in graph]),
            np.concatenate([rows.forces @ self.parameters for rows in graph]),
            np.array([rows.stress @ self.parameters for rows in graph]),
        )

    def describe_graph(self, graph: list[Rows]) -> np.ndarray:
        """Return the linear components of each atom."""
        return np.concatenate([rows.features for rows in graph])


def fit_committee(
    bispectrum: Bispectrum, dataset: Dataset, size: int, seed: int
) -> list[SnapPotential]:
    """
    Fit potentials by ridge regression.

    The ridge is the one that predicts the validation set best. Members are draws from
    the posterior of the parameters (Bishop, Pattern Recognition and Machine Learning,
    2006, section 3.3), the variance that of the errors on the validation set. They are
    shifted so that their mean, which is a single member, is the posterior's.

    Parameters
    ----------
    bispectrum
        Of the elements of the frames.
    dataset
        Labelled frames, in their sets.
    size
        Number of potentials.
    seed
        Of the draws.
    """
    sets = sets_of(dataset)
    (rows, sides), (unseen, wanted) = (
        _equations(bispectrum, dataset[sets == name]) for name in (TRAIN, VAL)
    )
    scale = np.sqrt(np.mean(rows**2, axis=0))
    scale[scale == 0] = 1.0
    rows /= scale
    values, vectors = np.linalg.eigh(rows.T @ rows)
    projected = vectors.T @ (rows.T @ sides)
    unseen = unseen / scale @ vectors
    ridges = _RIDGES * len(rows)
    means = [projected / (values + ridge) for ridge in ridges]
    errors = [float(np.mean((unseen @ mean - wanted) ** 2)) for mean in means]
    best = int(np.argmin(errors))
    draws = derive_rng(seed, "posterior").normal(size=(size, len(values)))
    draws = (draws - draws.mean(axis=0)) * np.sqrt(size / max(size - 1, 1))
    widths = np.sqrt(errors[best] / (np.abs(values) + ridges[best]))
    return [
        SnapPotential(bispectrum, vectors @ (means[best] + widths * draw) / scale)
        for draw in draws
    ]


def _equations(
    bispectrum: Bispectrum, dataset: Dataset
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted equations of labelled frames, and their right sides."""
    parts = [
        bispectrum.of(dataset.frame(i)).weighted(dataset[[i]])
        for i in range(len(dataset))
    ]
    rows, sides = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(sides)
