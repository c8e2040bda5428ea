"""How a trajectory ended, and whether it is run again with a smaller timestep."""

from dataclasses import dataclass, replace

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDState
from flowpot.randomness import derive_seed

RETRIES = 2
"""How often a trajectory that broke down at once is run again."""
DISAGREEMENT = "disagreement in "
"""Beginning of the reason where the committee's disagreement has halted a run."""


@dataclass(frozen=True)
class Outcome:
    """
    How a run ended.

    Attributes
    ----------
    n_steps
        Number of the last step.
    halted
        Reason why it was halted: a sanity limit, a disagreement, an error of the
        engine. None where it was not halted.
    error
        Reason why it did not run; None where it ran.
    detail
        Message of the engine, where its error halted the run.
    out_of_time
        Whether it reached its walltime and can be resumed.
    seconds
        Wall time of the steps (s), without start-up.
    """

    n_steps: int = 0
    halted: str | None = None
    error: str | None = None
    detail: str | None = None
    out_of_time: bool = False
    seconds: float = 0.0

    @property
    def state(self) -> MDState:
        """The outcome in a word, as in the documents."""
        if self.error is not None:
            return "failed"
        if self.halted is not None:
            return "halted"
        return "out of time" if self.out_of_time else "done"

    def broke_at_once(self, sample_interval: int) -> bool:
        """
        Say whether it broke down before its first sampled frame.

        A smaller timestep may help then. A halt because of a disagreement is no
        breakdown, and a halt at step 0 is due to the start, not to the timestep.

        Parameters
        ----------
        sample_interval
            Number of the step of the first sampled frame.
        """
        return (
            self.halted is not None
            and not self.halted.startswith(DISAGREEMENT)
            and 0 < self.n_steps <= sample_interval
        )


def gentler(conditions: Conditions, attempt: int) -> Conditions:
    """
    Return the conditions of another attempt: half the timestep and a new seed.

    The number of steps stays, and so does the number of sampled frames.

    Parameters
    ----------
    conditions
        Conditions of the attempt before.
    attempt
        Number of the new attempt, from 1.
    """
    return replace(
        conditions,
        timestep=conditions.timestep / 2,
        seed=derive_seed(conditions.seed, "retry", attempt),
    )
