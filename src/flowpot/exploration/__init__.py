"""Exploration: molecular dynamics with a potential, and the frames it finds."""

from flowpot.exploration.document import ExplorationDoc, MDBatchDoc, MDDoc, MDFailure
from flowpot.exploration.lammps.makers import LammpsMDMaker
from flowpot.exploration.makers import ExplorationMaker
from flowpot.exploration.schedule import ExplorationChange

__all__ = [
    "ExplorationChange",
    "ExplorationDoc",
    "ExplorationMaker",
    "LammpsMDMaker",
    "MDBatchDoc",
    "MDDoc",
    "MDFailure",
]
