"""Exploration: molecular dynamics with a potential, and the frames it finds."""

from flowpot.exploration.document import ExplorationDoc, MDBatchDoc, MDDoc, MDFailure
from flowpot.exploration.lammps.makers import LammpsMDMaker
from flowpot.exploration.makers import ExplorationMaker

__all__ = [
    "ExplorationDoc",
    "ExplorationMaker",
    "LammpsMDMaker",
    "MDBatchDoc",
    "MDDoc",
    "MDFailure",
]
