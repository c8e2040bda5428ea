"""One trajectory of a batch, and its file."""

import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from flowpot.dataset.electronic_state import bare
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.outcome import Outcome, gentler
from flowpot.exploration.sampling import THERMO


@dataclass(eq=False)
class Replica:
    """
    A trajectory: its current state, and what was sampled of it.

    Attributes
    ----------
    start
        The frame that it began with.
    conditions
        Ensemble, temperature, pressure and length.
    parent
        Fingerprint of the frame that the start was made from.
    positions, velocities
        (N, 3) positions (A) and velocities (ASE's unit).
    cell
        (3, 3) cell (A).
    random
        Random generator of the velocities and the noise.
    step, attempt
        Number of steps done, and of attempts before this one.
    calm
        Whether the predicted error was within the tolerance when the committee was last
        evaluated.
    frames
        Step, positions and cell of each sampled frame.
    thermo
        Rows of the log, with the columns of `sampling.THERMO`.
    readings
        Rows of the committee's log: see :class:`flowpot.exploration.watch.Reading`.
    outcome
        How it ended; None while it goes on.
    seconds
        Its share of the wall time (s).
    """

    start: Atoms
    conditions: Conditions
    parent: str
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    cell: NDArray[np.float64]
    random: np.random.Generator
    step: int = 0
    attempt: int = 0
    calm: bool = True
    frames: list[tuple[int, NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=list
    )
    thermo: list[list[float]] = field(default_factory=list)
    readings: list[dict[str, float]] = field(default_factory=list)
    outcome: Outcome | None = None
    seconds: float = 0.0

    @classmethod
    def begin(
        cls, start: Atoms, conditions: Conditions, parent: str, attempt: int = 0
    ) -> Self:
        """Begin with random velocities: at rest as a whole, and of the exact energy."""
        random = np.random.default_rng(conditions.seed)
        masses = start.get_masses()[:, None]
        kelvin = conditions.temperature[0]
        drawn = random.standard_normal((len(start), 3)) / np.sqrt(masses)
        drawn -= (masses * drawn).sum(axis=0) / masses.sum()
        twice = (masses * drawn**2).sum() / degrees_of_freedom(len(start))
        return cls(
            start,
            conditions,
            parent,
            start.positions.copy(),
            drawn * np.sqrt(units.kB * kelvin / twice),
            start.cell.array.copy(),
            random,
            attempt=attempt,
        )

    def retried(self) -> "Replica":
        """Return another attempt, with half the timestep and a new seed."""
        attempt = self.attempt + 1
        conditions = gentler(self.conditions, attempt)
        return Replica.begin(self.start, conditions, self.parent, attempt)

    def atoms(self) -> Atoms:
        """Return the current frame."""
        return bare(self.start, positions=self.positions, cell=self.cell)

    def sample(self) -> None:
        """Add the current frame to the sampled ones, unless this step is there."""
        if not self.frames or self.frames[-1][0] < self.step:
            self.frames.append((self.step, self.positions.copy(), self.cell.copy()))

    def sampled(self) -> dict[int, Atoms]:
        """Return the sampled frames by step."""
        return {
            step: bare(self.start, positions=positions, cell=cell)
            for step, positions, cell in self.frames
        }

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the log as columns."""
        rows = np.array(self.thermo).reshape(-1, len(THERMO))
        return {name: rows[:, i] for i, name in enumerate(THERMO)}

    def disagreement(self) -> dict[str, NDArray[np.float64]]:
        """Return the committee's log as columns."""
        names = self.readings[0] if self.readings else {}
        return {name: np.array([row[name] for row in self.readings]) for name in names}

    def to_bytes(self) -> bytes:
        """Return the whole state, from which the trajectory can go on exactly."""
        plain = {
            "conditions": asdict(self.conditions),
            "random": self.random.bit_generator.state,
            "step": self.step,
            "attempt": self.attempt,
            "calm": self.calm,
            "readings": self.readings,
            "outcome": self.outcome and asdict(self.outcome),
            "seconds": self.seconds,
        }
        n = len(self.start)
        content = io.BytesIO()
        np.savez(
            content,
            plain=np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8),
            positions=self.positions,
            velocities=self.velocities,
            cell=self.cell,
            thermo=np.array(self.thermo).reshape(-1, len(THERMO)),
            steps=np.array([step for step, _, _ in self.frames], dtype=int),
            frames=np.array([p for _, p, _ in self.frames]).reshape(-1, n, 3),
            cells=np.array([c for _, _, c in self.frames]).reshape(-1, 3, 3),
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, start: Atoms, parent: str) -> Self:
        """Read the result of :meth:`to_bytes` of a trajectory with the same start."""
        with np.load(io.BytesIO(content)) as arrays:
            plain: dict[str, Any] = json.loads(arrays["plain"].tobytes())
            random = np.random.default_rng()
            random.bit_generator.state = plain["random"]
            frames = zip(
                arrays["steps"].tolist(), arrays["frames"], arrays["cells"], strict=True
            )
            return cls(
                start,
                Conditions(**plain["conditions"]),
                parent,
                arrays["positions"],
                arrays["velocities"],
                arrays["cell"],
                random,
                step=plain["step"],
                attempt=plain["attempt"],
                calm=plain["calm"],
                frames=list(frames),
                thermo=arrays["thermo"].tolist(),
                readings=plain["readings"],
                outcome=plain["outcome"] and Outcome(**plain["outcome"]),
                seconds=plain["seconds"],
            )


def degrees_of_freedom(n_atoms: Any) -> Any:
    """Return the number for atoms whose centre of mass is at rest."""
    return 3 * n_atoms - 3
