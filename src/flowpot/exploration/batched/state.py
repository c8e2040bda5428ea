"""The replicas of a batch as arrays: equations of motion and relaxation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import units
from numpy.typing import NDArray

from flowpot.dataset.arrays import Arrays
from flowpot.exploration.batched.forces import Forces
from flowpot.exploration.batched.replica import Replica, degrees_of_freedom
from flowpot.exploration.conditions import ramp

Array = NDArray[np.float64]

# Parameters of the relaxation by FIRE.
_FORCE = 0.01  # largest force on any atom (eV/A) of a relaxed replica
_STEP, _LARGEST_STEP = 0.1, 1.0  # timesteps in ASE's unit
_PATIENCE, _FASTER, _SLOWER = 5, 1.1, 0.5
_MIXING, _LESS_MIXING = 0.1, 0.99
_LARGEST_MOVE = 0.2  # A


@dataclass(eq=False)
class State:
    """
    The replicas of a batch: n of them, A atoms in all.

    Attributes
    ----------
    replicas
        The replicas. Their positions, velocities and cells are views of these arrays.
    geometry
        Species, positions and cells of all replicas.
    velocities
        (A, 3) velocities in ASE's unit.
    masses
        (A, 1) masses (u).
    frame
        (A,) index of the replica of each atom.
    timestep
        (n,) timesteps in ASE's unit of time.
    friction
        (n,) friction of the thermostats, in the inverse of that unit; 0 without one.
    n_steps
        (n,) lengths of the runs.
    temperature, pressure
        (2, n) ends of the ramps: temperatures in K, pressures in kbar.
    """

    replicas: list[Replica]
    geometry: Arrays
    velocities: Array
    masses: Array
    frame: NDArray[np.int64]
    timestep: Array
    friction: Array
    n_steps: NDArray[np.int64]
    temperature: Array
    pressure: Array

    @classmethod
    def of(cls, replicas: Sequence[Replica]) -> Self:
        """Gather replicas, whose arrays become views of the batch's arrays."""
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
            Arrays(
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
            np.array([c.n_steps for c in conditions]),
            np.array([c.temperature for c in conditions]).T,
            np.array([c.pressure for c in conditions]).T,
        )
        for i, atoms in enumerate(state.geometry.rows):
            replicas[i].positions = state.geometry.positions[atoms]
            replicas[i].velocities = state.velocities[atoms]
            replicas[i].cell = state.geometry.cell[i]
        return state

    def __len__(self) -> int:
        """Count the replicas."""
        return len(self.replicas)

    def release(self) -> None:
        """Give each replica copies of its arrays."""
        for replica in self.replicas:
            replica.positions = replica.positions.copy()
            replica.velocities = replica.velocities.copy()
            replica.cell = replica.cell.copy()

    def sums(self, values: Array) -> Array:
        """Return the sums of (A, ...) values over the atoms of each replica."""
        return np.add.reduceat(values, self.geometry.offsets[:-1])

    def progress(self) -> Array:
        """Return the fraction of each run that is done, (n,)."""
        done: Array = np.array([replica.step for replica in self.replicas])
        return done / self.n_steps

    def thermal_energy(self) -> Array:
        """Return k_B T (eV) of each replica's thermostat at its current step, (n,)."""
        return units.kB * ramp(self.temperature, self.progress())

    def target_pressure(self) -> Array:
        """Return the pressure (eV/A^3) of each barostat at its current step, (n,)."""
        return 1e3 * units.bar * ramp(self.pressure, self.progress())

    def volumes(self) -> Array:
        """Return the volume of each cell (A^3), (n,)."""
        return np.abs(np.linalg.det(self.geometry.cell))

    def kinetic_tensor(self) -> Array:
        """Return sum_i m_i v_i v_i of each replica, (n, 3, 3) in eV."""
        momenta = self.masses * self.velocities
        return self.sums(self.velocities[:, :, None] * momenta[:, None])

    def temperatures(self, kinetic: Array) -> Array:
        """Return the temperatures (K), (n,), of the results of `kinetic_tensor`."""
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
        Matthews, Appl. Math. Res. Express 2013, 34). The noise of the centre of mass is
        taken out again; that of the other degrees of freedom remains canonical.
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


def relax(state: State, forces: Forces, n_steps: NDArray[np.int64]) -> None:
    """
    Relax the positions of each replica in its fixed cell.

    Parameters
    ----------
    state
        The replicas; their velocities are not changed.
    forces
        The potential.
    n_steps
        (n,) largest number of steps of each replica. Its relaxation ends before where
        no force exceeds 0.01 eV/A.

    Notes
    -----
    FIRE: Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), with its parameters.
    """
    n, frame = len(state), state.frame
    velocity = np.zeros_like(state.velocities)
    step = np.full(n, _STEP)
    mixing = np.full(n, _MIXING)
    downhill = np.zeros(n, dtype=int)
    for done in range(int(n_steps.max(initial=0))):
        force = forces.drive(state.geometry).forces
        size = np.sqrt((force**2).sum(axis=1))
        largest = np.maximum.reduceat(size, state.geometry.offsets[:-1])
        # Replicas with NaN are ended when the run begins.
        active = (done < n_steps) & (largest > _FORCE) & np.isfinite(largest)
        if not active.any():
            return
        power = state.sums((force * velocity).sum(axis=1))
        good = power > 0
        norm_f = np.sqrt(state.sums((force**2).sum(axis=1)))
        norm_v = np.sqrt(state.sums((velocity**2).sum(axis=1)))
        scale = mixing * norm_v / np.where(norm_f > 0, norm_f, 1.0)
        mixed = (1 - mixing)[frame, None] * velocity + scale[frame, None] * force
        velocity = np.where(good[frame, None], mixed, 0.0)
        patient = good & (downhill > _PATIENCE)
        step = np.where(patient, np.minimum(step * _FASTER, _LARGEST_STEP), step)
        mixing = np.where(patient, mixing * _LESS_MIXING, mixing)
        downhill = np.where(good, downhill + 1, 0)
        step = np.where(good | (done == 0), step, step * _SLOWER)
        mixing = np.where(good, mixing, _MIXING)
        velocity = velocity + step[frame, None] * force
        move = step[frame, None] * velocity
        length = np.sqrt(state.sums((move**2).sum(axis=1)))
        move *= np.minimum(1.0, _LARGEST_MOVE / np.maximum(length, 1e-300))[frame, None]
        state.geometry.positions[:] += np.where(active[frame, None], move, 0.0)
