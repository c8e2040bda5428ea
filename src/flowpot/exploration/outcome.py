"""How a trajectory ended, and whether it is tried again."""

from dataclasses import dataclass, replace

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDState
from flowpot.randomness import derive_seed

RETRIES = 2
DISAGREEMENT = "disagreement in "
"""How the reason of a halt begins that says nothing against the integration."""


@dataclass(frozen=True)
class Outcome:
    """
    How a run ended.

    Attributes
    ----------
    n_steps
        Last step that was done.
    halted
        Why it was stopped: a sanity limit, a disagreement, an error of the engine;
        None where it was not.
    error
        What prevented it; None where it ran.
    detail
        The engine's own words, where it halted the run.
    out_of_time
        Whether it reached its walltime and can be resumed.
    seconds
        Wall time of the steps, without start-up.
    """

    n_steps: int = 0
    halted: str | None = None
    error: str | None = None
    detail: str | None = None
    out_of_time: bool = False
    seconds: float = 0.0

    @property
    def state(self) -> MDState:
        """The same in a word."""
        if self.error is not None:
            return "failed"
        if self.halted is not None:
            return "halted"
        return "out of time" if self.out_of_time else "done"

    def broke_at_once(self, sample_interval: int) -> bool:
        """
        Whether a smaller timestep may help: a breakdown before the first frame.

        A halt for disagreement is no breakdown, and one at step 0 is the start's fault.
        """
        return (
            self.halted is not None
            and not self.halted.startswith(DISAGREEMENT)
            and 0 < self.n_steps <= sample_interval
        )


def gentler(conditions: Conditions, attempt: int) -> Conditions:
    """
    Return the conditions of another attempt: half the timestep and a new seed.

    Halving keeps the number of steps, and so the number of sampled frames.
    """
    return replace(
        conditions,
        timestep=conditions.timestep / 2,
        seed=derive_seed(conditions.seed, "retry", attempt),
    )
