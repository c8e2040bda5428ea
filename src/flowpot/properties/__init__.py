"""Properties of materials by a committee, with error bars."""

from flowpot.properties.document import (
    CrystalDoc,
    MemberDoc,
    MemberFailure,
    Quantity,
    ValidationDoc,
)
from flowpot.properties.equation_of_state import (
    CommitteeCurve,
    EquationOfState,
    committee_curve,
    scaled,
)
from flowpot.properties.makers import ValidationMaker

__all__ = [
    "CommitteeCurve",
    "CrystalDoc",
    "EquationOfState",
    "MemberDoc",
    "MemberFailure",
    "Quantity",
    "ValidationDoc",
    "ValidationMaker",
    "committee_curve",
    "scaled",
]
