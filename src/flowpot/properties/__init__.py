"""Properties of materials by a committee, with error bars."""

from flowpot.lazy import lazy_exports

_HOME = {
    "CommitteeCurve": "flowpot.properties.equation_of_state",
    "CrystalDoc": "flowpot.properties.document",
    "EquationOfState": "flowpot.properties.equation_of_state",
    "MemberDoc": "flowpot.properties.document",
    "MemberFailure": "flowpot.properties.document",
    "PropertyStanding": "flowpot.properties.standing",
    "Quantity": "flowpot.properties.document",
    "ValidationDoc": "flowpot.properties.document",
    "ValidationMaker": "flowpot.properties.makers",
    "committee_curve": "flowpot.properties.equation_of_state",
    "scaled": "flowpot.properties.equation_of_state",
    "standings": "flowpot.properties.standing",
}

__all__ = [  # noqa: PLE0604 - the keys are the public names
    *_HOME,
]

# A campaign's documents have properties, and are read without what calculates them.
__getattr__, __dir__ = lazy_exports(__name__, _HOME)
