"""Exploration: molecular dynamics with a potential, and the frames it finds."""

from flowpot.exploration.batched.makers import BatchedMDMaker
from flowpot.exploration.document import ExplorationDoc, MDBatchDoc, MDDoc, MDFailure
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.lammps.makers import LammpsMDMaker
from flowpot.exploration.makers import ExplorationMaker
from flowpot.exploration.schedule import ExplorationChange

__all__ = [
    "BatchedMDMaker",
    "ExplorationChange",
    "ExplorationDoc",
    "ExplorationMaker",
    "LammpsMDMaker",
    "MDBatchDoc",
    "MDDoc",
    "MDFailure",
    "MDMaker",
]
