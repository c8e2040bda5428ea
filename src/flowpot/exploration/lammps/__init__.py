"""LAMMPS as the engine of exploration."""

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.makers import LammpsMDMaker
from flowpot.exploration.sanity import SanityLimits

__all__ = ["Conditions", "LammpsMDMaker", "SanityLimits"]
