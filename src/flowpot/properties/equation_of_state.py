"""Energy against volume: lattice constant and bulk modulus, with a 95 % band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms
from ase.eos import EquationOfState as AseEquationOfState
from ase.units import GPa
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteeCalculator, evaluate_committee

Array = NDArray[np.float64]

_CHANCE = 0.95


@dataclass(frozen=True)
class EquationOfState:
    """
    A Birch-Murnaghan fit (Birch, Phys. Rev. 71, 809, 1947), of third order.

    Attributes
    ----------
    volume
        Volume at the minimum of the energy, A^3/atom.
    energy
        Energy at the minimum, eV/atom.
    bulk_modulus
        Bulk modulus at the minimum, GPa.
    """

    volume: float
    energy: float
    bulk_modulus: float

    @classmethod
    def fit(cls, volumes: Array, energies: Array) -> Self:
        """
        Fit energies (eV/atom) at volumes (A^3/atom), (n,) each.

        Raises
        ------
        ValueError
            Where there are fewer than five, or where the lowest is the first or the
            last: the minimum is not among them.
        """
        order = np.argsort(volumes)
        volumes, energies = np.asarray(volumes)[order], np.asarray(energies)[order]
        if len(volumes) < 5:  # noqa: PLR2004 - parameters, and one to spare
            raise ValueError(f"{len(volumes)} volumes: a fit needs five at least")
        if np.argmin(energies) in (0, len(energies) - 1):
            raise ValueError(
                f"the lowest energy is at an end of the volumes {volumes[0]:.2f} to "
                f"{volumes[-1]:.2f} A^3/atom: give volumes about the minimum"
            )
        fitted = AseEquationOfState(volumes, energies, eos="birchmurnaghan")
        volume, energy, modulus = fitted.fit(warn=False)
        return cls(float(volume), float(energy), float(modulus / GPa))

    def cubic_lattice_constant(self, atoms_per_cell: int) -> float:
        """Return the edge (A) of a cubic cell with so many atoms."""
        return float((self.volume * atoms_per_cell) ** (1 / 3))


@dataclass(frozen=True)
class CommitteeCurve:
    """
    Energies of a committee along a curve of cells.

    Attributes
    ----------
    volumes
        Volumes, (n,) in A^3/atom.
    members
        Energies of each of m members, (m, n) in eV/atom.
    error
        Error bars, which the true error of the mean at one volume stays under with a
        chance of 95 %, (n,) in eV/atom.
    band
        Half-width of the band that holds the whole true curve with that chance, (n,)
        in eV/atom: it is wider, since the curve has several chances to leave it.
    extrapolation
        Over 1, (n,), where a cell is unlike those that the error bars were fitted to:
        :meth:`flowpot.evaluation.Calibration.extrapolation`. NaN, or None: it is not
        known.
    """

    volumes: Array
    members: Array
    error: Array
    band: Array
    extrapolation: Array | None = None

    @property
    def mean(self) -> Array:
        """Return the mean over the members, eV/atom, (n,)."""
        return self.members.mean(axis=0)

    def covers(self, energies: Array) -> float:
        """Return the share of reference energies (eV/atom, (n,)) inside the band."""
        return float((np.abs(energies - self.mean) <= self.band).mean())


def scaled(atoms: Atoms, volumes: Sequence[float]) -> list[Atoms]:
    """
    Scale a cell to volumes that are given as multiples of its own.

    Examples
    --------
    >>> from ase.build import bulk
    >>> [round(float(a.get_volume()), 1) for a in scaled(bulk("Si", a=5.4), [0.9, 1.0])]
    [35.4, 39.4]
    """
    cells = []
    for factor in volumes:
        cell = atoms.copy()
        cell.set_cell(atoms.cell * factor ** (1 / 3), scale_atoms=True)
        cells.append(cell)
    return cells


def committee_curve(
    calculator: CommitteeCalculator, cells: Sequence[Atoms]
) -> CommitteeCurve:
    """
    Evaluate a committee along a curve of cells.

    Parameters
    ----------
    calculator
        The committee, with a calibration of the energy.
    cells
        n cells of one crystal.

    Raises
    ------
    ValueError
        Where the calculator has no error bars of the energy, or without any cell.
    """
    if not len(cells):
        raise ValueError("cells is empty: give one at least")
    if "energy" not in calculator.calibration:
        raise ValueError(
            "the calculator has no calibration of the energy: give a tolerance of "
            "the energy to the campaign"
        )
    sizes = np.array([len(cell) for cell in cells])
    volumes = np.array([cell.get_volume() for cell in cells]) / sizes
    frames = Dataset.from_atoms(cells, labels=False)
    members = evaluate_committee(calculator.members, frames).energy / sizes
    chances = (_CHANCE, 1 - (1 - _CHANCE) / independent_points(members))
    bars = []
    for cell in cells:
        atoms = cell.copy()
        atoms.calc = calculator
        atoms.get_potential_energy()
        errors = [calculator.error_bar("energy", q) for q in chances]
        bars.append([*errors, calculator.results.get("extrapolation", np.nan)])
    return CommitteeCurve(volumes, members, *np.array(bars).T)


def independent_points(members: Array) -> float:
    """
    Return the number of independent points that a committee's curves are worth.

    M = sum((1 if l >= 1 else 0) + l - floor(l)), l the eigenvalues of the correlation
    of the points (Li and Ji, Heredity 95, 221, 2005). Where each of M points is held
    with a chance of 1 - p / M, all are with about 1 - p (Bonferroni).

    Parameters
    ----------
    members
        (m, n), n points of m members. One member tells nothing of correlations: all
        points count.

    Examples
    --------
    >>> together = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    >>> round(independent_points(together), 6), independent_points(together[:1])
    (1.0, 3.0)
    """
    if len(members) == 1:
        return float(members.shape[1])
    deviations = members - members.mean(axis=0)
    size = np.linalg.norm(deviations, axis=0)
    if not size.any():
        return 1.0
    deviations = deviations[:, size > 0] / size[size > 0]
    roots = np.linalg.svd(deviations, compute_uv=False)
    eigenvalues = np.round(roots**2, 9)  # those of equal points are whole numbers
    return float(((eigenvalues >= 1) + eigenvalues % 1).sum())
