"""LAMMPS as the engine of exploration."""

from flowpot.exploration.lammps.conditions import Conditions
from flowpot.exploration.lammps.makers import LammpsMDMaker
from flowpot.exploration.lammps.sanity import SanityLimits

__all__ = ["Conditions", "LammpsMDMaker", "SanityLimits"]
