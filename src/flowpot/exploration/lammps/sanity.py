"""Where stored Makers and runs look for the limits of sanity."""

from flowpot.exploration.sanity import (
    ATOMS_LOST,
    NOT_A_NUMBER,
    SanityCheck,
    SanityLimits,
)

__all__ = ["ATOMS_LOST", "NOT_A_NUMBER", "SanityCheck", "SanityLimits"]
