"""Properties of materials by a committee, with error bars."""

from flowpot.properties.equation_of_state import (
    CommitteeCurve,
    EquationOfState,
    committee_curve,
    scaled,
)

__all__ = ["CommitteeCurve", "EquationOfState", "committee_curve", "scaled"]
