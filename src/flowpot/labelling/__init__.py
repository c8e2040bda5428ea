"""Labelling: which frames get energy, forces and stress, and how they are gathered."""

from flowpot.labelling.collection import LabellingError
from flowpot.labelling.document import BatchDoc, LabelFailure, LabellingDoc
from flowpot.labelling.espresso.makers import EspressoStaticMaker
from flowpot.labelling.frames import check_geometry, geometry_problem
from flowpot.labelling.makers import LabellingMaker

__all__ = [
    "BatchDoc",
    "EspressoStaticMaker",
    "LabelFailure",
    "LabellingDoc",
    "LabellingError",
    "LabellingMaker",
    "check_geometry",
    "geometry_problem",
]
