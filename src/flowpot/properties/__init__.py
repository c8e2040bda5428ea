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
from flowpot.properties.standing import PropertyStanding, standings

__all__ = [
    "CommitteeCurve",
    "CrystalDoc",
    "EquationOfState",
    "MemberDoc",
    "MemberFailure",
    "PropertyStanding",
    "Quantity",
    "ValidationDoc",
    "ValidationMaker",
    "committee_curve",
    "scaled",
    "standings",
]
