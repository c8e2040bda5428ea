"""Run the replicas of a batch until each has done its steps or is halted."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import units
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.exploration.batched.barostat import Barostat
from flowpot.exploration.batched.check import BatchCheck
from flowpot.exploration.batched.forces import Forces
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.batched.state import State, relax
from flowpot.exploration.outcome import RETRIES, Outcome
from flowpot.exploration.sampling import COMPONENTS, Output
from flowpot.exploration.sanity import NOT_A_NUMBER, SanityLimits

NO_STRESS = (
    "the potential has no stress for this frame, and a barostat needs one: choose the "
    "ensemble 'nvt', or a calculator that implements stress"
)


@dataclass
class Watch:
    """
    When the committee is evaluated, and the bounds on its disagreement.

    Attributes
    ----------
    interval
        Steps between evaluations. None: never.
    calibration
        ``flowpot.evaluation.Calibration`` of each property.
    upper_factor
        Predicted error, in tolerances, at which a replica is halted.
    """

    interval: int | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    upper_factor: float = 20.0


@dataclass
class Dynamics:
    """
    Molecular dynamics of a batch of replicas.

    Attributes
    ----------
    forces
        The potential, or the committee.
    output
        What is sampled, and how often.
    limits
        Limits beyond which a frame is unphysical.
    watch
        When the committee is evaluated.
    bulk_modulus
        Bulk modulus (GPa) for the barostats: see `Barostat.of`.
    walltime
        Seconds after which all replicas stop. None: never.
    save
        Function called with all replicas every `output.restart_interval` steps.
    """

    forces: Forces
    output: Output
    limits: SanityLimits = field(default_factory=SanityLimits)
    watch: Watch = field(default_factory=Watch)
    bulk_modulus: float = 100.0
    walltime: float | None = None
    save: Callable[[Sequence[Replica]], None] | None = None

    def run(self, replicas: Sequence[Replica]) -> list[Replica]:
        """
        Run replicas until each has an `outcome`.

        A replica that breaks down before its first sampled frame is retried with half
        the timestep, at most ``RETRIES`` times.

        Returns
        -------
        list[Replica]
            The replicas, or their last attempts, in order.
        """
        current = list(replicas)
        deadline = time.monotonic() + (self.walltime or np.inf)
        going = [i for i, replica in enumerate(current) if replica.outcome is None]
        while going:
            batch = _Batch(self, [current[i] for i in going], deadline)
            batch.run(lambda: self.save and self.save(current))
            # The batch ends when any replica ends; the others form the next batch.
            remaining = [k for k, i in enumerate(going) if current[i].outcome is None]
            self.forces.keep(remaining)
            again = [i for i in going if self._is_to_retry(current[i])]
            for i in again:
                current[i] = current[i].retried()
            going = [*(going[k] for k in remaining), *again]
        return current

    def _is_to_retry(self, replica: Replica) -> bool:
        outcome = replica.outcome
        return (
            outcome is not None
            and replica.attempt < RETRIES
            and outcome.broke_at_once(self.output.sample_interval)
        )


class _Batch:
    """
    Replicas that run side by side until one of them ends.

    Parameters
    ----------
    dynamics
        Settings of the run.
    replicas
        Replicas without an outcome.
    deadline
        ``time.monotonic()`` at which all stop.
    """

    def __init__(
        self, dynamics: Dynamics, replicas: Sequence[Replica], deadline: float
    ) -> None:
        self._dynamics, self._deadline = dynamics, deadline
        self._replicas = list(replicas)
        self._begun = time.perf_counter()

    def run(self, save: Callable[[], Any]) -> None:
        """Run until a replica has an outcome; `save` writes all replicas."""
        self._check_elements()
        if self._ended:
            return
        self._state = state = State.of(self._replicas)
        self._dynamics.forces.begin([replica.start for replica in state.replicas])
        self._barostat = Barostat.of(state.replicas, self._dynamics.bulk_modulus)
        self._check = BatchCheck(self._dynamics.limits, state)
        try:
            self._begin()
            while not self._ended:
                self._step()
                if not self._ended and time.monotonic() > self._deadline:
                    for replica in self._replicas:
                        if replica.outcome is None:
                            replica.outcome = Outcome(replica.step, out_of_time=True)
                if state.replicas[0].step % self._dynamics.output.restart_interval == 0:
                    save()
        except Exception:  # noqa: BLE001 - recorded with the replica that caused it
            self._record_error(traceback.format_exc())
        finally:
            state.release()
            share = (time.perf_counter() - self._begun) / len(self._replicas)
            for replica in self._replicas:
                replica.seconds += share

    @property
    def _ended(self) -> bool:
        return any(replica.outcome is not None for replica in self._replicas)

    def _check_elements(self) -> None:
        """End replicas with elements that the potential does not know."""
        for replica in self._replicas:
            try:
                self._dynamics.forces.check(replica.start)
            except ValueError as error:
                replica.outcome = Outcome(error=str(error))

    def _begin(self) -> None:
        """Relax replicas at step 0 that are to be relaxed, and check and log these."""
        state = self._state
        at_start = np.array([replica.step == 0 for replica in state.replicas])
        n_steps = np.array([r.conditions.minimise for r in state.replicas])
        if (at_start & (n_steps > 0)).any():
            relax(state, self._dynamics.forces, np.where(at_start, n_steps, 0))
        self._prediction = self._dynamics.forces.drive(state.geometry)
        lacking = self._barostat.lacking(self._prediction.stress)
        for i in np.flatnonzero(lacking & self._has_forces()):
            state.replicas[i].outcome = Outcome(state.replicas[i].step, error=NO_STRESS)
        # Those that go on were checked and logged before they stopped.
        new = [
            i
            for i, replica in enumerate(state.replicas)
            if not replica.thermo and replica.outcome is None
        ]
        self._examine(new)

    def _step(self) -> None:
        """Take a step: BAO, a rescaled cell, A, new forces, B; then examine it."""
        state = self._state
        state.half_kick(self._prediction.forces)
        state.half_drift()
        state.thermostat()
        state.half_drift()
        self._barostat.rescale(state, self._prediction.stress)
        for replica in state.replicas:
            replica.step += 1
        self._catch_exploding()
        self._prediction = self._dynamics.forces.drive(state.geometry)
        state.half_kick(self._prediction.forces)
        self._examine([i for i, r in enumerate(state.replicas) if r.outcome is None])
        for replica in state.replicas:
            done = replica.step >= replica.conditions.n_steps
            if replica.outcome is None and done:
                replica.outcome = Outcome(replica.step)

    def _catch_exploding(self) -> None:
        """End replicas that would crash a potential; put their starts in the batch."""
        for i, reason in self._check.out_of_bounds(self._kelvin()).items():
            replica = self._state.replicas[i]
            replica.outcome = Outcome(replica.step, reason)
            replica.positions[:] = replica.start.positions
            replica.cell[:] = replica.start.cell.array
            replica.velocities[:] = 0.0

    def _kelvin(self) -> NDArray[np.float64]:
        """Return temperatures (K) by 3 N degrees of freedom, as `SanityLimits` has."""
        state = self._state
        velocities = state.velocities
        twice = state.masses[:, 0] * np.einsum("ax,ax->a", velocities, velocities)
        degrees = 3 * np.diff(state.geometry.offsets) * units.kB
        kelvin: NDArray[np.float64] = state.sums(twice) / degrees
        return kelvin

    def _has_forces(self) -> NDArray[np.bool_]:
        """Return which replicas have forces that are numbers, (n,)."""
        # A sum is finite if each of its terms is.
        return np.isfinite(self._state.sums(self._prediction.forces).sum(axis=1))

    def _examine(self, indices: Sequence[int]) -> None:
        """Compare replicas with the limits; log and sample those within them."""
        state, output = self._state, self._dynamics.output
        finite = self._has_forces()
        finite &= ~self._barostat.lacking(self._prediction.stress)
        reasons = self._check.breaches(self._kelvin(), indices)
        reasons |= {i: NOT_A_NUMBER for i in indices if not finite[i]}
        for i, reason in reasons.items():
            state.replicas[i].outcome = Outcome(state.replicas[i].step, reason)
        physical = [i for i in indices if state.replicas[i].outcome is None]
        self._ask_committee(physical)
        physical = [i for i in physical if state.replicas[i].outcome is None]
        due = [
            i for i in physical if state.replicas[i].step % output.thermo_interval == 0
        ]
        if due:
            self._log(due)
        for i in physical:
            replica = state.replicas[i]
            dense = None if replica.calm else output.dense_interval
            if replica.step % output.sample_interval == 0 or (
                dense and replica.step % dense == 0
            ):
                replica.sample()

    def _ask_committee(self, indices: Sequence[int]) -> None:
        """Evaluate the committee on those replicas that are due."""
        watch, state = self._dynamics.watch, self._state
        if watch.interval is None:
            return
        due = [i for i in indices if state.replicas[i].step % watch.interval == 0]
        if not due:
            return
        # These import the evaluation stage, which most runs do not need.
        from flowpot.evaluation.prediction import (  # noqa: PLC0415
            CommitteePrediction,
        )
        from flowpot.exploration.watch import breach, readings  # noqa: PLC0415

        by_members = self._dynamics.forces.members(state.geometry)
        rows = np.flatnonzero(np.isin(state.frame, due))
        prediction = CommitteePrediction(
            energy=by_members.energy[:, due],
            forces=by_members.forces[:, rows],
            stress=by_members.stress[:, due],
        )
        frames = Dataset.from_atoms(
            [state.replicas[i].atoms() for i in due], labels=False
        )
        steps = [state.replicas[i].step for i in due]
        for i, reading in zip(
            due, readings(steps, prediction, frames, watch.calibration), strict=True
        ):
            replica = state.replicas[i]
            row = {"step": reading.step, **reading.disagreement}
            replica.readings.append(row | {"excess": reading.excess})
            replica.calm = not reading.excess > 1
            reason = breach(reading, watch.calibration, watch.upper_factor)
            if reason is not None:
                replica.outcome = Outcome(replica.step, reason)

    def _log(self, indices: Sequence[int]) -> None:
        """Add a row to the logs of some replicas; unknown pressures are NaN."""
        state, prediction = self._state, self._prediction
        kinetic, volumes = state.kinetic_tensor(), state.volumes()
        kelvin = state.temperatures(kinetic)
        # Without periodic axes there is no stress, and the box has no pressure.
        is_periodic = state.geometry.pbc.sum(axis=1) > 0
        stress = prediction.stress
        stress = np.where(is_periodic[:, None, None], stress, np.nan_to_num(stress))
        pressure = kinetic / volumes[:, None, None] - stress
        pressure /= 1e3 * units.bar
        for i in indices:
            replica = state.replicas[i]
            potential_energy = float(prediction.energy[i])
            kinetic_energy = float(np.trace(kinetic[i]) / 2)
            replica.thermo.append(
                [
                    replica.step,
                    replica.step * replica.conditions.timestep * 1e-3,
                    float(kelvin[i]),
                    potential_energy,
                    kinetic_energy,
                    potential_energy + kinetic_energy,
                    float(np.trace(pressure[i]) / 3),
                    *(float(pressure[i][ab]) for ab in COMPONENTS),
                    float(volumes[i]),
                ]
            )

    def _record_error(self, error: str) -> None:
        """End the replicas that raise an error alone, or all if none does."""
        forces, geometry = self._dynamics.forces, self._state.geometry
        for i, replica in enumerate(self._state.replicas):
            forces.keep([])
            forces.begin([replica.start])
            try:
                forces.drive(geometry.frame(i))
            except Exception:  # noqa: BLE001 - recorded
                replica.outcome = Outcome(replica.step, error=traceback.format_exc())
        forces.keep([])
        if not self._ended:
            for replica in self._replicas:
                replica.outcome = Outcome(replica.step, error=error)
