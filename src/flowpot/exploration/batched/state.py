"""The replicas of a batch as arrays, and the equations of motion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import units
from numpy.typing import NDArray

from flowpot.exploration.batched.replica import Replica, degrees_of_freedom
from flowpot.exploration.frames import ramp
from flowpot.potentials.geometry import Geometry

Array = NDArray[np.float64]


@dataclass(eq=False)
class State:
    """
    The replicas of a batch: n of them, A atoms in all.

    Attributes
    ----------
    replicas
        Whose positions, velocities and cells these are, as views.
    geometry
        Their frames.
    velocities
        (A, 3) in ASE's unit.
    masses
        (A, 1) in u.
    frame
        (A,) the replica of each atom.
    timestep
        (n,) in ASE's unit of time.
    friction
        (n,) of the thermostat, in its inverse; 0 where there is none.
    """

    replicas: list[Replica]
    geometry: Geometry
    velocities: Array
    masses: Array
    frame: NDArray[np.int64]
    timestep: Array
    friction: Array

    @classmethod
    def of(cls, replicas: Sequence[Replica]) -> Self:
        """Gather replicas; from now on their arrays are parts of the batch's."""
        sizes = [len(replica.start) for replica in replicas]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        conditions = [replica.conditions for replica in replicas]
        timestep = np.array([c.timestep for c in conditions]) * units.fs
        damping = np.array([c.temperature_damping for c in conditions]) * timestep
        thermostat = [
            c.ensemble_for(r.start.pbc) != "nve"
            for c, r in zip(conditions, replicas, strict=True)
        ]
        state = cls(
            list(replicas),
            Geometry(
                numbers=np.concatenate([r.start.numbers for r in replicas]),
                positions=np.concatenate([r.positions for r in replicas]),
                cell=np.stack([r.cell for r in replicas]),
                pbc=np.stack([r.start.pbc for r in replicas]),
                offsets=offsets,
            ),
            np.concatenate([r.velocities for r in replicas]),
            np.concatenate([r.start.get_masses() for r in replicas])[:, None],
            np.repeat(np.arange(len(sizes)), sizes),
            timestep,
            np.where(thermostat, 1 / damping, 0.0),
        )
        for i, atoms in enumerate(state.geometry.atoms):
            replicas[i].positions = state.geometry.positions[atoms]
            replicas[i].velocities = state.velocities[atoms]
            replicas[i].cell = state.geometry.cell[i]
        return state

    def __len__(self) -> int:
        """Count the replicas."""
        return len(self.replicas)

    def release(self) -> None:
        """Copy the arrays, so that the replicas own them again."""
        for replica in self.replicas:
            replica.positions = replica.positions.copy()
            replica.velocities = replica.velocities.copy()
            replica.cell = replica.cell.copy()

    def sums(self, values: Array) -> Array:
        """Sum what each atom has over the atoms of each replica."""
        return np.add.reduceat(values, self.geometry.offsets[:-1])

    def thermal_energy(self) -> Array:
        """Return k_B T of each replica's thermostat now (eV)."""
        kelvin = [
            ramp(r.conditions.temperature, np.array(r.progress)) for r in self.replicas
        ]
        return units.kB * np.array(kelvin, dtype=float)

    def target_pressure(self) -> Array:
        """Return the pressure of each replica's barostat now (eV/A^3)."""
        kbar = [
            ramp(r.conditions.pressure, np.array(r.progress)) for r in self.replicas
        ]
        return 1e3 * units.bar * np.array(kbar, dtype=float)

    def volumes(self) -> Array:
        """Return the volume of each cell (A^3)."""
        return np.abs(np.linalg.det(self.geometry.cell))

    def kinetic_tensor(self) -> Array:
        """Return sum_i m_i v_i v_i of each replica, (n, 3, 3) in eV."""
        each = self.velocities[:, :, None] * (self.masses * self.velocities)[:, None]
        return self.sums(each)

    def temperatures(self, kinetic: Array) -> Array:
        """Return the instantaneous temperatures (K)."""
        n_atoms = np.diff(self.geometry.offsets)
        twice = np.einsum("nii->n", kinetic)
        return twice / (units.kB * degrees_of_freedom(n_atoms))

    def half_kick(self, forces: Array) -> None:
        """Let the forces act for half a step (B of BAOAB)."""
        half = 0.5 * self.timestep[self.frame, None]
        self.velocities += half * forces / self.masses

    def half_drift(self) -> None:
        """Move the atoms for half a step (A of BAOAB)."""
        self.geometry.positions[:] += (
            0.5 * self.timestep[self.frame, None] * self.velocities
        )

    def thermostat(self) -> None:
        """
        Let friction and noise act for a step, exactly (O of BAOAB).

        Notes
        -----
        With both half kicks and half drifts around it this is BAOAB (Leimkuhler and
        Matthews, Appl. Math. Res. Express 2013, 34). The centre of mass stays at rest:
        what is left of the noise is canonical for the other degrees of freedom.
        """
        if not self.friction.any():
            return
        kept = np.exp(-self.friction * self.timestep)
        energy = (1 - kept**2) * self.thermal_energy()
        noise = np.concatenate(
            [
                replica.random.standard_normal(replica.positions.shape)
                if friction
                else np.zeros(replica.positions.shape)
                for replica, friction in zip(self.replicas, self.friction, strict=True)
            ]
        )
        spread = np.sqrt(energy[self.frame, None] / self.masses)
        self.velocities *= kept[self.frame, None]
        self.velocities += spread * noise
        drift = self.sums(self.masses * self.velocities) / self.sums(self.masses)
        self.velocities -= np.where(self.friction[:, None] > 0, drift, 0.0)[self.frame]
