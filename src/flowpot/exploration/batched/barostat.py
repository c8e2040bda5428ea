"""Stochastic cell rescaling along the periodic axes of each replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.batched.state import State

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Barostat:
    """
    Barostats of n replicas.

    Attributes
    ----------
    axes
        (n, 3, 3) orthonormal directions as columns, those along periodic axes first.
    couplings
        (n, 3, 3) 1 for the components of the strain, along these directions, that the
        barostat changes, 0 for the others.
    shared
        (n,) whether the axes are strained alike.
    rates
        (n,) strain per time and pressure, in ASE's units; 0 without a barostat.
    """

    axes: Array
    couplings: Array
    shared: NDArray[np.bool_]
    rates: Array

    @classmethod
    def of(cls, replicas: Sequence[Replica], bulk_modulus: float) -> Self:
        """
        Prepare the barostats of replicas.

        Parameters
        ----------
        replicas
            The replicas; their conditions say which of them have a barostat.
        bulk_modulus
            About the bulk modulus of the material (GPa). If it is right, pressures
            relax within the `pressure_damping`; in a harder material faster.
        """
        n = len(replicas)
        axes, couplings = np.empty((n, 3, 3)), np.zeros((n, 3, 3))
        rates = np.zeros(n)
        for i, replica in enumerate(replicas):
            start, conditions = replica.start, replica.conditions
            axes[i] = directions(start)
            d = int(start.pbc.sum())
            if conditions.barostat == "tri":
                couplings[i, :d, :d] = 1.0
            else:
                couplings[i, range(d), range(d)] = 1.0
            if conditions.ensemble_for(start.pbc) == "npt":
                time = conditions.pressure_damping * conditions.timestep * units.fs
                rates[i] = 1 / (3 * bulk_modulus * units.GPa * time)
        shared = np.array([r.conditions.barostat == "iso" for r in replicas])
        return cls(axes, couplings, shared, rates)

    def lacking(self, stress: Array) -> NDArray[np.bool_]:
        """
        Say which replicas have a barostat, and no stress that it could act on.

        Parameters
        ----------
        stress
            (n, 3, 3) stress of the potential; NaN where it has none.

        Returns
        -------
        ndarray
            Shape (n,).
        """
        # A sum is finite if each of its terms is.
        return (self.rates > 0) & ~np.isfinite(stress.sum(axis=(1, 2)))

    def rescale(self, state: State, stress: Array) -> None:
        """
        Strain cells, positions and velocities by one step of the barostats.

        Parameters
        ----------
        state
            The replicas, which are changed.
        stress
            (n, 3, 3) stress of the potential (eV/A^3). Without a barostat it may be
            NaN.

        Notes
        -----
        Bernetti and Bussi, J. Chem. Phys. 153, 114107 (2020): with the compressibility
        b and the time t, the strain e = ln V follows

            de = b/t (P - P0) dt + sqrt(2 k_B T b / (V t)) dW

        where the drift that comes from the noise's dependence on V cancels the one of
        the measure. Along each of three axes the strain is a third of that, with
        independent noise; together they give the equation above. Off the diagonal the
        noise has half the variance, so that the strain has no preferred direction.
        Momenta change inversely. P is the instantaneous pressure.
        """
        if not self.rates.any():
            return
        volumes, thermal = state.volumes(), state.thermal_energy()
        pressure = state.kinetic_tensor() / volumes[:, None, None]
        pressure -= np.where(self.rates[:, None, None] > 0, stress, 0.0)
        identity = np.eye(3)
        turned = self.axes.transpose(0, 2, 1) @ pressure @ self.axes
        excess = turned - state.target_pressure()[:, None, None] * identity
        time = self.rates * state.timestep
        spread = np.sqrt(2 * thermal * time / volumes)
        strain = time[:, None, None] * excess
        strain += spread[:, None, None] * self._noise(state)
        strain *= self.couplings
        mean = np.einsum("nii->n", strain) / np.maximum(
            np.einsum("nii->n", self.couplings), 1
        )
        alike = mean[:, None, None] * self.couplings
        strain = np.where(self.shared[:, None, None], alike, strain)
        self._apply(state, strain)

    def _noise(self, state: State) -> Array:
        """Draw symmetric matrices, (n, 3, 3), by each replica's random generator."""
        drawn = np.zeros((len(state), 3, 3))
        for i, replica in enumerate(state.replicas):
            if self.rates[i]:
                drawn[i] = replica.random.standard_normal((3, 3))
        # Diagonal of variance 1, off it (a + b)/2 of variance 1/2.
        return (drawn + drawn.transpose(0, 2, 1)) / 2

    def _apply(self, state: State, strain: Array) -> None:
        """Deform by the exponential of the strain; non-periodic cell vectors stay."""
        acting = np.flatnonzero(self.rates)
        values, vectors = np.einsum("nii->ni", strain[acting]), self.axes[acting]
        if np.triu(self.couplings[acting], 1).any():
            values, turns = np.linalg.eigh(strain[acting])
            vectors = vectors @ turns
        deformation = (vectors * np.exp(values)[:, None]) @ vectors.mT
        geometry = state.geometry
        before = geometry.cell[acting]
        after = before @ deformation
        inverse = (vectors * np.exp(-values)[:, None]) @ vectors.mT
        for n in np.flatnonzero(~geometry.pbc[acting].all(axis=1)):
            open_axes = ~geometry.pbc[acting[n]]
            after[n, open_axes] = before[n, open_axes]
            deformation[n] = np.linalg.solve(before[n], after[n])
            inverse[n] = np.linalg.inv(deformation[n]).T
        self._map(state, acting, deformation, inverse)
        geometry.cell[acting] = after

    @staticmethod
    def _map(
        state: State, acting: NDArray[np.int64], deformation: Array, inverse: Array
    ) -> None:
        """Map the positions and the velocities of replicas."""
        mappings = np.tile(np.eye(3), (2, len(state), 1, 1))
        mappings[0, acting], mappings[1, acting] = deformation, inverse
        for values, mapping in zip(
            (state.geometry.positions, state.velocities), mappings, strict=True
        ):
            values[:] = (values[:, None] @ mapping[state.frame])[:, 0]


def directions(atoms: Atoms) -> Array:
    """
    Return orthonormal directions as columns, (3, 3), those of periodic vectors first.

    The first lies along the first periodic vector, the second in the plane of the
    first two, as in LAMMPS's cells.
    """
    order = np.argsort(~atoms.pbc, kind="stable")
    return np.linalg.qr(atoms.cell.array[order].T)[0]
