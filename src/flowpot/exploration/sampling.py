"""How often a run writes what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Output:
    """
    What a run writes, and how often (steps).

    Attributes
    ----------
    sample_interval
        Between sampled frames.
    dense_interval
        Between the frames sampled while the committee disagrees more than the lower
        bound; None samples no more than usual.
    thermo_interval
        Between the lines of the log.
    restart_interval
        Between restart files, two of which are kept by turns.
    """

    sample_interval: int
    dense_interval: int | None = None
    thermo_interval: int = 10
    restart_interval: int = 1000

    def __post_init__(self) -> None:
        """Check the intervals: whole steps, so that no frame is lost to rounding."""
        for name, value in vars(self).items():
            if value is not None and (value != int(value) or value < 1):
                raise ValueError(f"{name} is {value}: use a whole number of steps")


THERMO = (
    "step",
    "time (ps)",
    "temperature (K)",
    "potential energy (eV)",
    "kinetic energy (eV)",
    "total energy (eV)",
    "pressure (kbar)",
    *(f"pressure {ab} (kbar)" for ab in ("xx", "yy", "zz", "xy", "xz", "yz")),
    "volume (A^3)",
)
"""Columns of a run's log, whichever engine writes it."""
