"""The sanity limits of all replicas of a batch at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flowpot.exploration.batched.state import State
from flowpot.exploration.sanity import NOT_A_NUMBER, SanityCheck, SanityLimits

Array = NDArray[np.float64]


class BatchCheck:
    """
    Compare the replicas of a batch with the limits.

    A few operations on the arrays of all replicas tell which of them may be beyond a
    limit, and only these are compared by their own `SanityCheck`.

    Parameters
    ----------
    limits
        The limits.
    state
        The replicas.
    """

    def __init__(self, limits: SanityLimits, state: State) -> None:
        self._limits, self._state = limits, state
        self._checks = [SanityCheck(limits, r.start) for r in state.replicas]
        starts = np.stack([r.start.cell.array for r in state.replicas])
        self._volumes = np.abs(np.linalg.det(starts))
        # Where and how far from contact atoms were when distances were last computed.
        self._rows = state.geometry.rows
        self._positions = state.geometry.positions.copy()
        self._cells = state.geometry.cell.copy()
        self._clearances = np.zeros(len(state))

    def out_of_bounds(self, kelvin: Array) -> dict[int, str]:
        """
        Find the replicas whose cell or temperature is beyond a limit.

        Parameters
        ----------
        kelvin
            (n,) temperatures (K).

        Returns
        -------
        dict[int, str]
            The limit by the index of the replica.
        """
        positions, cells = self._state.geometry.positions, self._state.geometry.cell
        finite = np.isfinite(self._state.sums(positions).sum(axis=1))
        finite &= np.isfinite(cells).all(axis=(1, 2))
        found = dict.fromkeys(np.flatnonzero(~finite).tolist(), NOT_A_NUMBER)
        for i in np.flatnonzero(finite & ~self._within(kelvin)).tolist():
            if reason := self._checks[i].bounds(cells[i], kelvin[i]):
                found[i] = reason
        return found

    def breaches(self, kelvin: Array, among: Sequence[int]) -> dict[int, str]:
        """
        Find the replicas that are beyond a limit.

        Parameters
        ----------
        kelvin
            (n,) temperatures (K).
        among
            Indices of the replicas that are compared.

        Returns
        -------
        dict[int, str]
            The limit by the index of the replica.
        """
        apart = self._approaches() < self._clearances
        suspects = np.flatnonzero(~(self._within(kelvin) & apart))
        found = {}
        for i in set(suspects.tolist()).intersection(among):
            frame = self._state.replicas[i].atoms()
            if reason := self._checks[i].breach(frame, kelvin[i]):
                found[i] = reason
                continue
            contacts = self._checks[i].contacts
            self._clearances[i] = contacts.clearance
            self._positions[self._rows[i]] = contacts.last.positions
            self._cells[i] = contacts.last.cell.array
        return found

    def _within(self, kelvin: Array) -> NDArray[np.bool_]:
        """Return whether volumes and temperatures are within the limits, (n,)."""
        low, high = self._limits.volume
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self._state.volumes() / self._volumes
        within: NDArray[np.bool_] = (low < share) & (share < high)
        return within & (kelvin < self._limits.temperature)

    def _approaches(self) -> Array:
        """Return a bound (A) for each replica, as `ContactCheck` has it."""
        geometry = self._state.geometry
        moved = geometry.positions - self._positions
        squares = np.einsum("ax,ax->a", moved, moved)
        farthest = np.sqrt(np.maximum.reduceat(squares, geometry.offsets[:-1]))
        strained = np.sqrt(((geometry.cell - self._cells) ** 2).sum(axis=2)).sum(axis=1)
        bounds: Array = 2 * farthest + strained
        return bounds
