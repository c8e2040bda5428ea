"""Relaxing the replicas' positions before they run."""

import numpy as np
from numpy.typing import NDArray

from flowpot.exploration.batched.forces import Forces
from flowpot.exploration.batched.state import State

_FORCE = 0.01  # eV/A, of any atom
_STEP, _LARGEST_STEP = 0.1, 1.0  # of time, in ASE's unit
_PATIENCE, _FASTER, _SLOWER = 5, 1.1, 0.5
_MIXING, _LESS_MIXING = 0.1, 0.99
_LARGEST_MOVE = 0.2  # A


def relax(state: State, forces: Forces, n_steps: NDArray[np.int64]) -> None:
    """
    Move the atoms downhill, each replica for itself; the cells stay.

    Parameters
    ----------
    state
        The replicas; their velocities are left as they are.
    forces
        The potential.
    n_steps
        (n,) steps of each replica, at most. It ends where no force is over 0.01 eV/A.

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
        found = forces.drive(state.geometry).forces
        size = np.sqrt((found**2).sum(axis=1))
        largest = np.maximum.reduceat(size, state.geometry.offsets[:-1])
        # What is no number is found where the run begins.
        active = (done < n_steps) & (largest > _FORCE) & np.isfinite(largest)
        if not active.any():
            return
        power = state.sums((found * velocity).sum(axis=1))
        good = power > 0
        norm_f = np.sqrt(state.sums((found**2).sum(axis=1)))
        norm_v = np.sqrt(state.sums((velocity**2).sum(axis=1)))
        scale = mixing * norm_v / np.where(norm_f > 0, norm_f, 1.0)
        mixed = (1 - mixing)[frame, None] * velocity + scale[frame, None] * found
        velocity = np.where(good[frame, None], mixed, 0.0)
        patient = good & (downhill > _PATIENCE)
        step = np.where(patient, np.minimum(step * _FASTER, _LARGEST_STEP), step)
        mixing = np.where(patient, mixing * _LESS_MIXING, mixing)
        downhill = np.where(good, downhill + 1, 0)
        step = np.where(good | (done == 0), step, step * _SLOWER)
        mixing = np.where(good, mixing, _MIXING)
        velocity = velocity + step[frame, None] * found
        move = step[frame, None] * velocity
        length = np.sqrt(state.sums((move**2).sum(axis=1)))
        move *= np.minimum(1.0, _LARGEST_MOVE / np.maximum(length, 1e-300))[frame, None]
        state.geometry.positions[:] += np.where(active[frame, None], move, 0.0)
