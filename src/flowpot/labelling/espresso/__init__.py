"""Quantum ESPRESSO as a labelling engine."""

from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.engine import EspressoEngine
from flowpot.labelling.espresso.inputs import EspressoInputGenerator
from flowpot.labelling.espresso.install import (
    FamilyStatus,
    check_family,
    install_family,
    list_families,
)
from flowpot.labelling.espresso.makers import EspressoStaticMaker, LabelError
from flowpot.labelling.espresso.preflight import (
    PreflightError,
    PseudopotentialError,
    preflight,
)
from flowpot.labelling.espresso.protocols import Protocol, get_protocol, kpoint_mesh
from flowpot.labelling.espresso.pseudos import PseudoFamily, get_family

__all__ = [
    "EspressoEngine",
    "EspressoInputGenerator",
    "EspressoStaticMaker",
    "EspressoTaskDoc",
    "FamilyStatus",
    "LabelError",
    "PreflightError",
    "Protocol",
    "PseudoFamily",
    "PseudopotentialError",
    "check_family",
    "get_family",
    "get_protocol",
    "install_family",
    "kpoint_mesh",
    "list_families",
    "preflight",
]
